/// Random bits that depend on a seed and a counter only, hence not on who draws them or in what order
/// (the finaliser of SplitMix64; Steele, Lea, Flood 2014).
package enum CounterRandom {
  package static func bits(seed: UInt64, counter: UInt64) -> UInt64 {
    var z = seed &* 0xD134_2543_DE82_EF95 &+ (counter &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in the open interval (0, 1).
  package static func uniform(seed: UInt64, counter: UInt64) -> Double {
    // The largest of 2^53 values would be rounded to 1.
    min((Double(bits(seed: seed, counter: counter) >> 11) + 0.5) * 0x1p-53, 1 - 0x1p-53)
  }
}
