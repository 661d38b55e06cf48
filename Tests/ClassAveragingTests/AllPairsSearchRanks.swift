import MPI
import TestSupport
import Testing

@testable import ClassAveraging

@Suite(.serialized, .timeLimit(.minutes(2)))
struct AllPairsSearchRanks {
  private struct Lists: Equatable {
    var suspects: [[Int32]]
    var scores: [[Float]]
    var reflected: [[UInt8]]
  }

  /// All images' lists by image, gathered on every rank.
  private func search(
    _ model: PairModel, _ statistics: [[Float]], groups: [Int32], capacity: Int, threads: Int = 1,
    isPruning: Bool = true, on comm: Communicator
  ) throws -> Lists {
    let partition = Partition(of: statistics.count, among: comm.size)
    let rows = DistributedRows(
      SteerableCoefficients(
        layout: model.layout, rows: statistics[partition.range(of: comm.rank)].flatMap { $0 }),
      partition: partition, on: comm)
    var search = AllPairsSearch(
      model: model, capacity: capacity, threads: threads, comm: comm, observer: SilentObserver())
    search.isPruning = isPruning
    let found = try search.run(rows, groups: groups)
    let images = try comm.allgatherRagged(found.images)
    let suspects = try comm.allgatherRagged(found.suspects)
    let scores = try comm.allgatherRagged(found.scores)
    let reflected = try comm.allgatherRagged(found.reflected)
    #expect(images.sorted() == (0..<Int32(statistics.count)).map { $0 })
    let place = images.indices.sorted { images[$0] < images[$1] }
    func lists<T>(_ values: [T]) -> [[T]] {
      place.map { Array(values[$0 * capacity..<($0 + 1) * capacity]) }
    }
    return Lists(
      suspects: lists(suspects), scores: lists(scores), reflected: lists(reflected))
  }

  /// Several tiles, with groups of uneven size; and fewer images than there are lanes.
  @Test("The best of all pairs, the same with pruning, threads and ranks", arguments: [211, 7])
  func agreesWithBruteForce(count: Int) throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.5, on: world)
    // The statistics are those of groups i mod 3; other groups are as good for this.
    let statistics = try relatedStatistics(posterior, count: count, distinct: 30, seed: 2)
    let groups = (0..<count).map { Int32($0 % 7 < 4 ? 0 : $0 % 3) }
    let model = try PairModel(posterior, affinity: .mahalanobis)
    let capacity = 6
    let together = try search(
      model, statistics, groups: groups, capacity: capacity, threads: 2, on: world)
    let lonely = try search(
      model, statistics, groups: groups, capacity: capacity, isPruning: false, on: alone)
    #expect(together == lonely)

    var otherReflections = 0
    for image in stride(from: 0, to: count, by: 5) {
      let exact = (0..<count).filter { $0 != image }.map { other -> (Float, Int, UInt8) in
        // The weighted one comes first in the order of (group, index).
        let isFirst = (groups[image], image) < (groups[other], other)
        let (a, b) = isFirst ? (image, other) : (other, image)
        let pair = score(model, statistics[a], Int(groups[a]), statistics[b], Int(groups[b]))
        return (pair.affinity, other, pair.reflected)
      }
      let best = exact.map(\.0).sorted(by: >).prefix(capacity)
      for entry in 0..<capacity {
        let found = lonely.suspects[image][entry]
        let pair = exact.first { $0.1 == Int(found) }!
        // A parabola through three of the grid's values misses the peak by a little.
        let tolerance: Float = 0.1
        #expect(abs(pair.0 - lonely.scores[image][entry]) < tolerance)
        #expect(pair.0 > best[entry] - tolerance)
        // Exactly scored, the other reflection may be the better one by less than that.
        if pair.2 != lonely.reflected[image][entry] { otherReflections += 1 }
      }
      #expect(Set(lonely.suspects[image]).count == capacity)
    }
    #expect(otherReflections <= count / 50)
  }
}
