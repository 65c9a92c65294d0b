"""Says whether a text can be in a language: by its script, then by the frequent words that only that language has.

Made for one question, "is this reply in the language that was asked for?", where the public checkers call a detector
that draws at random and is weak on short texts and capitals. A text passes unless its script is another one, or it
holds more frequent words of another language of the same script. So a text too short to tell passes, as it does in the
public checkers. Languages without words below are told by their script alone.
"""

import re
from collections import Counter

_MAX_CHARS = 20_000
"""More of a text says no more about its language."""
_LATIN = "Latin"
_SCRIPT_RANGES = (
    (0x0041, 0x024F, _LATIN),
    (0x1E00, 0x1EFF, _LATIN),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x077F, "Arabic"),
    (0x0900, 0x097F, "Devanagari"),
    (0x0980, 0x09FF, "Bengali"),
    (0x0A00, 0x0A7F, "Gurmukhi"),
    (0x0A80, 0x0AFF, "Gujarati"),
    (0x0B80, 0x0BFF, "Tamil"),
    (0x0C00, 0x0C7F, "Telugu"),
    (0x0C80, 0x0CFF, "Kannada"),
    (0x0D00, 0x0D7F, "Malayalam"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x3040, 0x30FF, "Kana"),
    (0x3400, 0x9FFF, "Han"),
    (0xAC00, 0xD7AF, "Hangul"),
)
_SCRIPTS = {
    **dict.fromkeys(("en", "es", "pt", "fr", "de", "it", "nl", "sv", "fi", "pl", "ro", "tr", "id", "vi", "sw"), _LATIN),
    **dict.fromkeys(("ru", "uk", "bg"), "Cyrillic"),
    **dict.fromkeys(("ar", "fa", "ur"), "Arabic"),
    **dict.fromkeys(("hi", "mr", "ne"), "Devanagari"),
    **dict.fromkeys(("zh", "zh-cn", "zh-tw"), "Han"),
    "el": "Greek",
    "he": "Hebrew",
    "bn": "Bengali",
    "pa": "Gurmukhi",
    "gu": "Gujarati",
    "ta": "Tamil",
    "te": "Telugu",
    "kn": "Kannada",
    "ml": "Malayalam",
    "th": "Thai",
    "ja": "Kana",
    "ko": "Hangul",
}
_FREQUENT = {
    "en": "the of and to in is that it was for on are as with his they at be this have from or had by not but what all "
    "were we when your can there an which their if will do you how about my would him has more who its so these "
    "her hello thanks please yes good here",
    "es": "el los las del y que es por con para una un su al lo como más pero sus le ya este sí porque esta entre "
    "cuando muy sin sobre también me hasta hay donde quien desde todo nos está son hola gracias buenos",
    "pt": "o os as do da dos das e é que em um uma para com não por mais se na no ao como mas foi ele tem à seu sua ou "
    "quando muito nos já eu também só pelo pela até isso ela entre você são está olá obrigado obrigada",
    "fr": "le les des et est une du que qui dans pour pas au sur plus par ne ce il avec vous nous cette mais ou son "
    "sont elle je leur être aux c'est d'un ses été même tout fait bonjour merci très aussi",
    "de": "der die und das den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat "
    "dass sie nach wird bei einer um am sind noch wie einem über einen ich wir du hallo danke guten",
    "it": "il di che è per un una del della non sono con si da gli dei le nel alla più come ma anche al lo ha delle "
    "questo questa essere mi io tu noi ciao grazie buongiorno molto tutto",
    "nl": "de het een van en dat op te zijn met voor niet aan er om ook als dan maar bij nog wel uit naar hij wij ik "
    "je deze worden werd hallo bedankt",
    "sv": "och att det som en på är av för med den till inte har jag om ett han men var sig från vi så kan när nu hej "
    "tack",
    "fi": "ja on ei se että oli hän mutta ovat kun niin myös kuin joka tai jos sen minä sinä me he tämä ole hei kiitos",
    "pl": "i w na z do się nie to że jest o jak po co za ale od czy tak przez dla być są już tym oraz ich jego cześć "
    "dzień",
    "ro": "și de la în cu pe nu este să un o care din ce mai sunt pentru ca el ea dar lui această acest bună mulţumesc",
    "tr": "ve bir bu da de için ile çok ne gibi daha ama en var olarak ben sen o kadar sonra değil mi merhaba "
    "teşekkürler",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada mereka kita adalah bisa "
    "halo",
    "vi": "và là của có được cho không một các những người trong với này để đã khi từ như về đến tôi bạn chúng rất xin "
    "chào",
    "sw": "na ya wa kwa ni katika la za cha hii kama kuwa watu hiyo pia yake sana lakini hapana ndiyo mimi wewe sisi "
    "huu habari asante jambo kila au vya",
    "ru": "и в не на я что он с как это по но из у за то же так от все она был мы ты вы они было "
    "для привет спасибо ещё",
    "uk": "і в не на я що з як це та до але від у за й є він вона ми ви вони для був було привіт дякую ще також",
    "bg": "и в не на да се от за е са че с по но като това той тя ние вие те беше към или здравей благодаря още",
    "ar": "في من على إلى أن هذا التي الذي عن مع هو هي كان ما لا هذه ذلك كل بعد قد بين أو ثم إن نحن مرحبا شكرا",
    "fa": "و در به از که این را با است برای آن یک خود تا بر هم نیز شد های می شود اما ما او سلام ممنون",
    "ur": "کے کی میں ہے اور سے کا کو نے پر ہیں یہ کہ بھی نہیں ایک وہ تھا اس لیے ہو کر گیا ہم آپ شکریہ",
    "hi": "के में की है और से का को पर यह नहीं हैं एक भी कि था वह इस लिए हो कर ने गया हम आप मैं नमस्ते धन्यवाद",
    "mr": "आहे आणि या ते मध्ये व हे तो ती आहेत नाही होते साठी एक त्या पण की आपण मी तुम्ही नमस्कार काय असे",
    "ne": "छ र मा को हो यो पनि छन् का लागि गर्न हुन्छ भएको थियो तर एक हामी तपाईं म उनी नमस्ते गर्ने यस",
}
_WORDS = {language: frozenset(words.split()) for language, words in _FREQUENT.items()}
_TOKEN = re.compile(r"[^\W\d_](?:[\w'’\u0300-\u036f\u0900-\u0d7f]*)")


def can_be_in(text: str, language: str) -> bool:
    """Say whether nothing speaks against the text being in a language, given by its ISO 639-1 code."""
    text = text[:_MAX_CHARS]
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    scripts.pop("", None)
    if not scripts:
        return True
    code = language.lower()
    script = _SCRIPTS.get(code, _LATIN)
    if scripts["Kana"] * 10 > scripts["Han"]:
        scripts["Kana"] += scripts.pop("Han", 0)
    if scripts.most_common(1)[0][0] != script:
        return False
    rivals = [other for other in _WORDS if _SCRIPTS[other] == script and other != code]
    words = Counter(token.replace("’", "'") for token in _TOKEN.findall(text.lower()))
    hits = {other: _count(words, _WORDS[other]) for other in [*rivals, code] if other in _WORDS}
    return hits.get(code, 0) >= max((hits[other] for other in rivals), default=0)


def sample(language: str) -> str:
    """Give a few words that read as the language, or a few letters of its script where no words are known."""
    code = language.lower()
    if code in _FREQUENT:
        return " ".join(_FREQUENT[code].split()[:12])
    first, last = next((first, last) for first, last, name in _SCRIPT_RANGES if name == _SCRIPTS.get(code, _LATIN))
    return "".join([chr(c) for c in range(first, last) if chr(c).isalpha()][:8])


def is_known(language: str) -> bool:
    """Say whether the code is one of a language that can be told from others."""
    return language.lower() in _SCRIPTS


def _script(letter: str) -> str:
    code = ord(letter)
    return next((name for first, last, name in _SCRIPT_RANGES if first <= code <= last), "")


def _count(words: Counter[str], frequent: frozenset[str]) -> int:
    return sum(count for word, count in words.items() if word in frequent)
