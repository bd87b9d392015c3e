"""Counter-based random numbers, so that a run's draws are functions of (seed, purpose, index): Philox4x32-10 (Salmon et
al. 2011), keys by splitmix64, and a Feistel permutation. Written again here; src/core/rng.h and src/data/packing.h say
what the program does."""
import math

MASK64 = (1 << 64) - 1


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


class Key:
    def __init__(self, seed, stream=0):
        self.seed, self.stream = seed, stream

    def at(self, part):
        if isinstance(part, str):  # FNV-1a of the name
            h = 0xCBF29CE484222325
            for byte in part.encode():
                h = ((h ^ byte) * 0x100000001B3) & MASK64
            part = h
        z = (self.stream * 0x9E3779B97F4A7C15 + part + 0x632BE59BD9B4E019) & MASK64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        return Key(self.seed, z ^ (z >> 31))

    def bits(self, index):
        low, high = 0xFFFFFFFF, 32
        return philox([index & low, index >> high, self.stream & low, self.stream >> high],
                      (self.seed & low, self.seed >> high))

    def u64(self, index):
        b = self.bits(index)
        return b[1] << 32 | b[0]

    def uniform(self, index):
        return (self.u64(index) >> 11) * 2.0**-53

    def below(self, index, n):
        return self.u64(index) * n >> 64

    def normal(self, index):
        """Box-Muller on one block."""
        b = self.bits(index)
        u1, u2 = ((b[1] << 21 ^ b[0] >> 11) + 1) * 2.0**-53, (b[3] << 21 ^ b[2] >> 11) * 2.0**-53
        return math.sqrt(-2 * math.log(u1)) * math.cos(2 * math.pi * u2)


def permutation(key, n):
    """A bijection of [0, n): six Feistel rounds over the next power of four, walked until inside."""
    half = max(1, ((n - 1 if n else 0).bit_length() + 1) // 2)
    mask, keys = (1 << half) - 1, [key.u64(r) for r in range(6)]

    def image(i):
        while True:
            left, right = i >> half, i & mask
            for k in keys:
                z = ((right + k) * 0xBF58476D1CE4E5B9) & MASK64
                z = ((z ^ (z >> 29)) * 0x94D049BB133111EB) & MASK64
                left, right = right, left ^ ((z ^ (z >> 32)) & mask)
            i = left << half | right
            if i < n:
                return i

    return image
