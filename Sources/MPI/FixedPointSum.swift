/// A sum over images that does not depend on the order of its terms, hence not on how the images are
/// shared among ranks: each term is rounded to a multiple of one fixed quantum and added as an integer.
///
/// The quantum follows from a bound on the terms and their number, the same on every rank. A term
/// keeps 51 bits of the bound (fewer where more than 2000 terms could overflow 62 bits), which is
/// as good as a sum in double precision.
public struct FixedPointSum: Sendable {
  private var sums: [Int64]
  private let scale: Double

  /// 1.5 * 2^52: adding it to a double of modulus below 2^51 leaves the rounded integer in the low bits.
  private static var magic: Double { 6_755_399_441_055_744 }

  /// A sum of `count` elements, all zero.
  /// - Parameters:
  ///   - count: elements of the sum.
  ///   - bound: no term is larger in modulus; the same on all ranks.
  ///   - terms: how many terms will be added in all, on all ranks.
  public init(count: Int, bound: Double, terms: Int) {
    precondition(bound >= 0 && bound.isFinite, "the bound of a sum is \(bound)")
    sums = [Int64](repeating: 0, count: count)
    // |term| * scale < 2^50, and terms * 2^bits < 2^62.
    let spare = max(1, terms).bitWidth - max(1, terms).leadingZeroBitCount
    let bits = min(50, 61 - spare)
    // Bounds near the smallest numbers keep fewer bits: the scale itself must be finite.
    let exponent = bound > 0 ? min(1022, bits - bound.exponent - 1) : 0
    scale = Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// Adds `values[i]` to element `start + i`.
  public mutating func add(_ values: UnsafeBufferPointer<Double>, at start: Int = 0) {
    add(values.count, at: start) { values[$0] }
  }

  /// Adds `values[i]` to element `start + i`.
  public mutating func add(_ values: UnsafeBufferPointer<Float>, at start: Int = 0) {
    add(values.count, at: start) { Double(values[$0]) }
  }

  @inline(__always)
  private mutating func add(_ count: Int, at start: Int, _ value: (Int) -> Double) {
    let scale = scale
    let magic = Self.magic
    let magicBits = Int64(bitPattern: magic.bitPattern)
    sums.withUnsafeMutableBufferPointer { sums in
      let target = sums.baseAddress! + start
      precondition(start >= 0 && start + count <= sums.count)
      for i in 0..<count {
        let rounded = value(i) * scale + magic
        target[i] &+= Int64(bitPattern: rounded.bitPattern) &- magicBits
      }
    }
  }

  /// Adds `values[i]` to element `start + i`.
  public mutating func add(_ values: [Double], at start: Int = 0) {
    values.withUnsafeBufferPointer { add($0, at: start) }
  }

  /// Adds a value to an element.
  public mutating func add(_ value: Double, at element: Int = 0) {
    add(1, at: element) { _ in value }
  }

  /// The sums over all ranks, on every rank. Collective.
  public consuming func reduced(over communicator: Communicator) throws(MPIError) -> [Double] {
    try communicator.allreduce(&sums)
    let quantum = 1 / scale
    return sums.map { Double($0) * quantum }
  }

  /// Several sums, each of its own bound, over all ranks, in one message. Collective.
  public static func reduced(_ sums: consuming [FixedPointSum], over communicator: Communicator)
    throws(MPIError) -> [[Double]]
  {
    var all = sums.flatMap(\.sums)
    try communicator.allreduce(&all)
    var start = 0
    return sums.map { sum in
      defer { start += sum.sums.count }
      let quantum = 1 / sum.scale
      return all[start..<start + sum.sums.count].map { Double($0) * quantum }
    }
  }

  /// The same in single precision. Collective.
  public consuming func reducedToFloats(over communicator: Communicator) throws(MPIError) -> [Float]
  {
    try communicator.allreduce(&sums)
    let quantum = 1 / scale
    return sums.map { Float(Double($0) * quantum) }
  }
}
