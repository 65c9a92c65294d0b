"""The OpenAI-compatible server: routes, streams, limits, store, guard, page. The only room that imports ASGI things."""
