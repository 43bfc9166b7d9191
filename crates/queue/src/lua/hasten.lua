-- Makes a delayed job due at once. KEYS: delayed, stream. ARGV: its body. Answers whether it was there.
return hasten(KEYS[1], KEYS[2], ARGV[1]) and 1 or 0
