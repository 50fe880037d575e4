"""The console: pages for people, in English and Vietnamese, over the same operations as the API.

Promises: a page can do nothing that the API cannot; nothing is changed by GET; every form carries
the session's CSRF token; no page loads anything from another host, and none has code or style
inline; pages work without JavaScript. Needs `secvault.api` for what is between a browser and the
service (cookie, declared actions, errors). Start reading at `page`, then `today`.
"""
