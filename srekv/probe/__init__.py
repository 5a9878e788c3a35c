"""The load client and observers. They travel to a vantage point in the VPC: standard library only, Python 3.8+.

What the kinds of clients do with an address, which one and the same switch treats unlike:

no-cache       asks for the name before each operation
honor-ttl      keeps an address as long as the TTL on the wire
keep-alive     keeps one connection while it works, and asks for the name when it has to connect
cache-forever  asks once in its life, as the JVM did under a security manager (networkaddress.cache.ttl=-1)
cache-10s      keeps an address for 10 s whatever its TTL, as aiohttp does (TCPConnector, ttl_dns_cache=10)
retry          as honor-ttl, and tries again before it reports an error
"""

KINDS = ("no-cache", "honor-ttl", "keep-alive", "cache-forever", "cache-10s", "retry")
