"""The journal: what happened at a site, kept once and in order, listed, streamed and handed on."""
