import Foundation
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct AllPairsSearchRanks {
  private struct Lists: Equatable {
    var candidates: [[Int32]]
    var scores: [[Float]]
    var reflected: [[UInt8]]
  }

  /// All images' lists by image, gathered on every rank.
  private func search(
    _ model: PairModel, _ statistics: [[Float]], groups: [Int32], capacity: Int, threads: Int = 1,
    isPruning: Bool = true, observer: any StageObserver = SilentObserver(), on comm: Communicator
  ) throws -> Lists {
    let partition = Partition(of: statistics.count, among: comm.size)
    let rows = try CoefficientStore(
      SteerableCoefficients(
        layout: model.layout, rows: statistics[partition.range(of: comm.rank)].flatMap { $0 }),
      partition: partition, on: comm)
    var search = AllPairsSearch(
      model: model, capacity: capacity, threads: threads, comm: comm, observer: observer)
    search.isPruning = isPruning
    let found = try search.run(rows, groups: groups)
    let images = try comm.allgatherRagged(found.images)
    let candidates = try comm.allgatherRagged(found.candidates)
    let scores = try comm.allgatherRagged(found.scores)
    let reflected = try comm.allgatherRagged(found.reflected)
    #expect(images.sorted() == (0..<Int32(statistics.count)).map { $0 })
    let position = images.indices.sorted { images[$0] < images[$1] }
    func lists<T>(_ values: [T]) -> [[T]] {
      position.map { Array(values[$0 * capacity..<($0 + 1) * capacity]) }
    }
    return Lists(
      candidates: lists(candidates), scores: lists(scores), reflected: lists(reflected))
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
        return (pair.affinity, other, pair.alignment.isReflected ? 1 : 0)
      }
      let best = exact.map(\.0).sorted(by: >).prefix(capacity)
      for entry in 0..<capacity {
        let found = lonely.candidates[image][entry]
        let pair = exact.first { $0.1 == Int(found) }!
        // A parabola through three of the grid's values misses the peak by a little.
        let tolerance: Float = 0.1
        #expect(abs(pair.0 - lonely.scores[image][entry]) < tolerance)
        #expect(pair.0 > best[entry] - tolerance)
        // Exactly scored, the other reflection may be the better one by less than that.
        if pair.2 != lonely.reflected[image][entry] { otherReflections += 1 }
      }
      #expect(Set(lonely.candidates[image]).count == capacity)
    }
    #expect(otherReflections <= count / 50)
  }

  /// Does something each time that the search has come a step further.
  private final class AdvanceObserver: StageObserver {
    private(set) var advances = 0
    var whenAdvanced: (Int) -> Void = { _ in }

    func stageBegan(_ name: String, items: Int) {}
    func stageAdvanced(to done: Int) {
      advances += 1
      whenAdvanced(advances)
    }
    func communicating<R>(_ body: () throws -> R) rethrows -> R { try body() }
    func stageEnded() {}
  }

  /// While one of two ranks stands still in its first block pair, the other takes the rows that they share.
  @Test(arguments: [0, 1]) func theFasterRankTakesMore(slow: Int) throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.5, on: world)
    let statistics = try relatedStatistics(posterior, count: 1000, distinct: 60, seed: 3)
    let groups = [Int32](repeating: 0, count: 1000)
    let model = try PairModel(posterior, affinity: .mahalanobis)
    let part = try world.split(colour: world.rank / 2, key: world.rank)
    let observer = AdvanceObserver()
    if part.size == 2 {
      // Blocks of 512 rows: an advance for each 16 of them, in the block pair with itself and the shared one.
      let rows = 512 / 16
      let enough = rows + rows * 3 / 4
      let tokens = RankTokens(try part.split(colour: 0, key: part.rank))
      observer.whenAdvanced = { advances in
        // Rank 1 stands still at once; rank 0 only while rank 1 has rows, for which it must be asked.
        if slow == 1 {
          if part.rank == 0 && advances == enough { try! tokens.send() }
          if part.rank == 1 && advances == 1 { try! tokens.receive(seconds: 60) }
        } else {
          if part.rank == 1 && advances > rows { try! tokens.send() }
          if part.rank == 0 && 1 < advances && advances < rows { try! tokens.receive(seconds: 2) }
        }
      }
      let found = try search(
        model, statistics, groups: groups, capacity: 6, observer: observer, on: part)
      #expect(try found == search(model, statistics, groups: groups, capacity: 6, on: alone))
      let advances = try part.allgather([observer.advances])
      #expect(advances[0] + advances[1] == 3 * rows)
      #expect(advances[1 - slow] >= enough)
      try tokens.finish()
    }
    try world.barrier()
  }

  /// Every rank in turn is behind the others all the time.
  @Test(arguments: 0..<4) func aSlowRankChangesNothing(slow: Int) throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.5, on: world)
    let statistics = try relatedStatistics(posterior, count: 300, distinct: 60, seed: 3)
    let groups = (0..<300).map { Int32($0 % 7 < 4 ? 0 : $0 % 3) }
    let model = try PairModel(posterior, affinity: .mahalanobis)
    let observer = AdvanceObserver()
    if world.rank == slow { observer.whenAdvanced = { _ in usleep(10000) } }
    let together = try search(
      model, statistics, groups: groups, capacity: 6, threads: 1 + slow % 2, observer: observer,
      on: world)
    #expect(try together == search(model, statistics, groups: groups, capacity: 6, on: alone))
  }
}
