import MPI
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(2)))
struct FixedPointSumRanks {
  /// Terms of very different sizes and both signs.
  private func terms(_ count: Int, seed: UInt64) -> [Double] {
    randomNumbers(count, seed: seed).enumerated().map { $0 % 5 == 0 ? $1 : $1 * 1e-4 }
  }

  /// Neumaier's compensated sum: exact to a rounding for these numbers.
  private func exactSum(_ values: [Double]) -> Double {
    var (sum, compensation) = (0.0, 0.0)
    for value in values {
      let next = sum + value
      compensation += abs(sum) >= abs(value) ? (sum - next) + value : (value - next) + sum
      sum = next
    }
    return sum + compensation
  }

  @Test func sameBitsForAnySharesAndOrder() throws {
    let world = try testWorld()
    let (count, width) = (2003, 3)
    let values = (0..<width).map { terms(count, seed: UInt64($0 + 1)) }
    func sum(of images: [Int], over comm: Communicator) throws -> [Double] {
      var sum = FixedPointSum(count: width, bound: 1, terms: count)
      for image in images { sum.add((0..<width).map { values[$0][image] }) }
      return try sum.reduced(over: comm)
    }
    let alone = try world.split(colour: world.rank, key: 0)
    let reference = try sum(of: Array(0..<count), over: alone)
    let even = Partition(of: count, among: world.size).range(of: world.rank)
    let shared = try sum(of: even.reversed(), over: world)
    let ragged = try sum(
      of: Array(raggedSlice(of: count, rank: world.rank, ranks: world.size)), over: world)
    let dealt = try sum(
      of: (0..<count).filter { $0 % world.size == world.rank }.sorted {
        ($0 * 7) % 11 < ($1 * 7) % 11
      },
      over: world)
    #expect(shared == reference && ragged == reference && dealt == reference)
    for element in 0..<width {
      // Each term is rounded to 2^-50 of the bound at most half a quantum wrong.
      let exact = exactSum(values[element])
      #expect(abs(reference[element] - exact) <= Double(count) * 0x1p-50)
    }
  }

  /// Together as one by one, and in one message.
  @Test func severalSumsOfTheirOwnBounds() throws {
    let world = try testWorld()
    let bounds = [1.0, 1e-12, 3e9]
    let own = Partition(of: 301, among: world.size).range(of: world.rank)
    let values = (0..<3).map { terms(2 * 301, seed: UInt64(40 + $0)) }
    var sums = bounds.map { FixedPointSum(count: 2, bound: $0, terms: 301) }
    for term in own {
      for (at, bound) in bounds.enumerated() {
        for element in 0..<2 { sums[at].add(bound * values[at][2 * term + element], at: element) }
      }
    }
    let single = try sums.map { try $0.reduced(over: world) }
    let before = world.traffic.messages
    let together = try FixedPointSum.reduced(sums, over: world)
    #expect(world.traffic.messages == before + 1)
    #expect(together == single)
    for (at, bound) in bounds.enumerated() {
      for element in 0..<2 {
        let exact = exactSum((0..<301).map { bound * values[at][2 * $0 + element] })
        #expect(abs(together[at][element] - exact) <= 301 * 0x1p-50 * bound)
      }
    }
  }

  @Test func singlePrecisionGivesTheSameSums() throws {
    let world = try testWorld()
    let values = terms(999, seed: 9).map { Float($0) }
    var (single, double) = (
      FixedPointSum(count: 3, bound: 1, terms: 333 * world.size),
      FixedPointSum(count: 3, bound: 1, terms: 333 * world.size)
    )
    for start in stride(from: 0, to: 999, by: 3) {
      let row = values[start..<start + 3]
      row.withUnsafeBufferPointer { single.add($0) }
      double.add(row.map { Double($0) })
    }
    let sums = try double.reduced(over: world)
    let rounded = try single.reducedToFloats(over: world)
    #expect(rounded == sums.map { Float($0) })
    for element in 0..<3 {
      let exact = exactSum((0..<333).map { Double(values[3 * $0 + element]) })
      #expect(abs(Double(rounded[element]) / (Double(world.size) * exact) - 1) < 1e-6)
    }
  }

  /// A bound that is a power of two or just below one, and small or large numbers.
  @Test(arguments: [1.0, 0.999_999, 1.000_001, 3e-21, 7.5e18])
  func termsAsLargeAsTheBound(bound: Double) throws {
    let alone = try testWorld().split(colour: try testWorld().rank, key: 0)
    var sum = FixedPointSum(count: 2, bound: bound, terms: 5)
    for _ in 0..<5 { sum.add([bound, -bound]) }
    let sums = try sum.reduced(over: alone)
    #expect(abs(sums[0] / (5 * bound) - 1) < 1e-14)
    #expect(sums[1] == -sums[0])
  }

  @Test func boundsNearTheSmallestNumbers() throws {
    let alone = try testWorld().split(colour: try testWorld().rank, key: 0)
    for bound in [1e-300, 1e-307, .leastNonzeroMagnitude] {
      var sum = FixedPointSum(count: 2, bound: bound, terms: 4)
      for _ in 0..<4 { sum.add([bound, 0]) }
      let sums = try sum.reduced(over: alone)
      #expect(abs(sums[0] - 4 * bound) <= 4 * 0x1p-1022 && sums[1] == 0)
    }
  }

  @Test(arguments: [1, 1000, 2047, 2048, 1_000_000])
  func noNumberOfTermsOverflows(count: Int) throws {
    let alone = try testWorld().split(colour: try testWorld().rank, key: 0)
    // The sum's quantum is largest where the bound's significand is just below 2.
    let bound = 1.9999
    let block = [Double](repeating: bound, count: 1)
    var sum = FixedPointSum(count: 1, bound: bound, terms: count)
    for _ in 0..<count { sum.add(block) }
    let value = try sum.reduced(over: alone)[0]
    #expect(abs(value / (Double(count) * bound) - 1) < 1e-11)
  }

  @Test func sumsIntoPartOfTheElements() throws {
    let alone = try testWorld().split(colour: try testWorld().rank, key: 0)
    var sum = FixedPointSum(count: 5, bound: 8, terms: 4)
    sum.add([1, 2], at: 1)
    sum.add([4, -0.5], at: 2)
    let sums = try sum.reduced(over: alone)
    #expect(sums == [0, 1, 6, -0.5, 0])
    let zero = try FixedPointSum(count: 2, bound: 0, terms: 0).reduced(over: alone)
    #expect(zero == [0, 0])
  }
}
