"""Code that runs within the sandbox: standard library only, sent in as text, so it needs no file of ours in there."""
