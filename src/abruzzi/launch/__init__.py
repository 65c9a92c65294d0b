"""Launch settings of servers that are not ours, vLLM and SGLang, planned from a model's shape and the cards."""
