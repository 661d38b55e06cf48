import MPI
import Testing

@testable import ClassAveraging

@Suite("Ring search", .serialized, .timeLimit(.minutes(2)))
struct RingSearchRanksTests {
  /// (images, suspects): several tiles and uneven slices; fewer images than four ranks.
  @Test(arguments: [(1103, 9), (37, 36), (3, 2)])
  func agreesWithBruteForce(total: Int, suspectCount: Int) throws {
    let world = try RankWorld.communicator()
    let (even, odd) = (5, 4)
    let width = even + odd
    // Small integers: scores are exact, and many are equal.
    let values = RankWorld.numbers(total * width, seed: 31).map { Float(($0 * 3).rounded()) }
    let partition = Partition(of: total, among: world.size)
    let slice = partition.range(of: world.rank)
    let features = InvariantFeatures(
      count: slice.count, evenCount: even, oddCount: odd,
      values: Array(values[slice.lowerBound * width..<slice.upperBound * width]))
    var last = 0.0
    let found = try RingSearch(
      features, partition: partition, suspectCount: suspectCount, over: world
    ) { share in
      #expect(share >= last && share <= 1)
      last = share
    }
    #expect(found.count == slice.count && found.suspects.count == slice.count * suspectCount)

    var reflections = 0
    for image in slice {
      var candidates: [(score: Float, index: Int, reflected: Bool)] = []
      for other in 0..<total where other != image {
        let products = (0..<width).map { values[image * width + $0] * values[other * width + $0] }
        let (e, o) = (products[..<even].reduce(0, +), products[even...].reduce(0, +))
        candidates.append((max(e + o, e - o), other, e - o > e + o))
      }
      candidates.sort { ($0.score, $1.index) > ($1.score, $0.index) }
      let row = (image - slice.lowerBound) * suspectCount
      for (place, expected) in zip(row..<row + suspectCount, candidates) {
        #expect(found.suspects[place] == Int32(expected.index))
        #expect(found.reflected[place] == (expected.reflected ? 1 : 0))
        #expect(found.scores[place] == expected.score)
        reflections += expected.reflected ? 1 : 0
      }
    }
    if slice.count > 100 { #expect(reflections > 100) }
  }
}
