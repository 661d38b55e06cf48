/// The counter-based generator Philox4x32 with ten rounds (Salmon, Moraes, Dror, Shaw, "Parallel
/// random numbers: as easy as 1, 2, 3", SC11): 128 random bits are a function of a counter and a
/// key, so that any rank makes any image's numbers without making those before.
enum Philox {
  private static let multipliers: SIMD2<UInt32> = [0xD251_1F53, 0xCD9E_8D57]
  private static let weyl: SIMD2<UInt32> = [0x9E37_79B9, 0xBB67_AE85]

  /// The four random words of one counter.
  package static func block(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var word = counter
    var key = key
    for round in 0..<10 {
      if round > 0 { key &+= weyl }
      let first = multipliers.x.multipliedFullWidth(by: word.x)
      let second = multipliers.y.multipliedFullWidth(by: word.z)
      word = [
        second.high ^ word.y ^ key.x, second.low, first.high ^ word.w ^ key.y, first.low,
      ]
    }
    return word
  }
}
