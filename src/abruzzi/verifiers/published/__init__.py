"""The public reward functions of Reasoning360, rebuilt with their bugs, so that others' numbers can be reproduced.

Each ``score_…`` returns what the public function returns and raises where it raises. The code is ours; text written by
a model is never given to Python's ``eval`` or ``exec`` as it is there.
"""
