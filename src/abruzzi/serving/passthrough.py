"""The plain upstream under its own name: one request to the solver as the client wrote it, no pipeline, no prompts.

What happens is told in the pipeline's own events, so that records, metrics and streams know one language.
"""

from abruzzi.errors import ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatEvent, ChatModel, ChatRequest, Ended, ReasoningDelta, Restarted, TextDelta
from abruzzi.nouns import Candidate, FinishReason, Role
from abruzzi.reasoning.events import CandidateDelta, CandidateEnded, CandidateRestarted, CandidatesStarted, Listen
from abruzzi.reasoning.sample import enter
from abruzzi.serving.asked import Asked


async def pass_through(model: ChatModel, asked: Asked, *, ledger: Ledger, listen: Listen) -> tuple[Candidate, ...]:
    """Ask the upstream.

    Returns:
        One candidate for each choice, in order; nothing is extracted from them.

    Raises:
        ModelError: a choice failed; a client has no way to be told of some of them only.
    """

    def emit(event: ChatEvent) -> None:
        match event:
            case TextDelta(index, text):
                listen(CandidateDelta(index, text, is_reasoning=False))
            case ReasoningDelta(index, text):
                listen(CandidateDelta(index, text, is_reasoning=True))
            case Restarted(index, reason):
                listen(CandidateRestarted(index, reason))
            case Ended(completion):
                listen(CandidateEnded(enter(completion)))

    listen(CandidatesStarted(asked.num_choices, model.name))
    completions = await model.complete(write_request(asked), ledger=ledger, emit=emit)
    failed = next((c for c in completions if c.finish_reason is FinishReason.ERROR), None)
    if failed is not None:
        raise failed.cause or ModelError(failed.error or "the upstream broke off")
    return tuple(enter(completion) for completion in completions)


def write_request(asked: Asked) -> ChatRequest:
    """Write the upstream's request: what the client set, and nothing else."""
    conversation, sampling = asked.conversation, asked.sampling
    return ChatRequest(
        role=Role.SOLVER,
        messages=conversation.messages,
        n=asked.num_choices,
        max_tokens=sampling.get("max_tokens"),
        temperature=sampling.get("temperature"),
        top_p=sampling.get("top_p"),
        stop=sampling.get("stop", ()),
        seed=sampling.get("seed"),
        schema=conversation.schema,
        json_object=conversation.json_object,
        tools=conversation.tools,
        tool_choice=conversation.tool_choice,
        parallel_tool_calls=conversation.parallel_tool_calls,
        sampling=conversation.sampling,
        timeouts=asked.settings.timeouts,
    )
