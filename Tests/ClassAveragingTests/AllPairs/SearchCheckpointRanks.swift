import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import Resume

/// A search that stops again and again, on other ranks each time, and whose parts are of any age when it goes
/// on: as after crashes at any moment.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct SearchCheckpointRanks {
  private static let capacity = 6

  private struct Problem {
    let model: PairModel
    let statistics: [[Float]]
    let groups: [Int32]

    /// 700 images that show 60 clean ones. Collective.
    init(on comm: Communicator, group: (Int) -> Int32) throws {
      let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.5, on: comm)
      model = try PairModel(posterior, affinity: .mahalanobis)
      statistics = try relatedStatistics(posterior, count: 700, distinct: 60, seed: 2)
      groups = statistics.indices.map(group)
    }

    /// The best candidates of every image, or nil where the run was stopped. Collective.
    func search(_ checkpoint: SearchCheckpoint?, threads: Int, on comm: Communicator) throws
      -> [Int32: [Int32]]?
    {
      let rows = try distributed(statistics, layout: model.layout, on: comm)
      let search = AllPairsSearch(
        model: model, capacity: capacity, threads: threads, comm: comm,
        observer: SilentObserver())
      do {
        let found = try search.run(rows, groups: groups, checkpoint: checkpoint)
        var lists: [Int32: [Int32]] = [:]
        let (images, candidates) = (
          try comm.allgatherRagged(found.images), try comm.allgatherRagged(found.candidates)
        )
        for (at, image) in images.enumerated() {
          lists[image] = Array(candidates[at * capacity..<(at + 1) * capacity])
        }
        return lists
      } catch is Interruption {
        return nil
      }
    }
  }

  private func checkpoints(_ path: String, stop: StopRequest, on comm: Communicator) -> Checkpoints
  {
    Checkpoints(
      path: path, sources: Checkpoints.sources(input: ["input": "test"], AverageOptions()),
      isResuming: true, interval: 0, stop: stop, on: comm,
      report: { #expect(!$0.contains("not used"), "\($0)") })
  }

  @Test(arguments: 0..<6) func partsOfAnyAge(seed: Int) throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let path = try world.broadcast(folder.file("checkpoints"))
    // One group, and several of uneven size whose last lane groups are not full.
    let problem = try Problem(on: world) {
      seed % 2 == 0 ? 0 : Int32($0 % 7 < 4 ? 0 : $0 % 3)
    }
    let whole = try #require(try problem.search(nil, threads: 1, on: world))
    #expect(whole.count == problem.statistics.count)

    // The same numbers on all ranks.
    var numbers = randomNumbers(40, seed: UInt64(seed) &* 977 + 5).map { abs($0) }[...]
    func draw(_ limit: Int) -> Int { Int(numbers.removeFirst() * Double(limit)) }
    var stops = 0
    for _ in 0..<5 {
      let ranks = 1 + draw(world.size)
      let (last, middle, forgetful) = (1 + draw(5), draw(4), draw(ranks + 1))
      let part = try world.split(colour: world.rank < ranks ? 0 : 1, key: world.rank)
      if world.rank < ranks {
        let stop = try StopRequest(on: part)
        let checkpoints = checkpoints(path, stop: stop, on: part)
        let own = "pass-1-rank-\(part.rank)-"
        var older: [String: Data] = [:]
        stop.whenPolled = { poll in
          if poll == middle {
            for name in checkpoints.names where name.hasPrefix(own) {
              older[name] = FileManager.default.contents(atPath: checkpoints.file(name))
            }
          }
          if poll == last && part.isRoot {
            // Others come further, and get the lists of a block that was compared in part.
            usleep(30000)
            try? stop.ask()
          }
        }
        let lists = try problem.search(
          checkpoints.search(pass: 1), threads: 1 + draw(2), on: part)
        if let lists {
          #expect(lists == whole)
        } else {
          stops += 1
        }
        // This rank crashed before it saved its last part.
        if part.rank == forgetful {
          for (name, content) in older {
            try content.write(to: URL(fileURLWithPath: checkpoints.file(name)))
          }
        }
      } else {
        _ = draw(2)
      }
      try world.barrier()
    }
    let end = try problem.search(
      checkpoints(path, stop: try StopRequest(on: world), on: world).search(pass: 1), threads: 2,
      on: world)
    #expect(end == whole)
    #expect(world.rank > 0 || stops > 1)
    try world.barrier()
  }

  /// One of two ranks has taken most of the rows that they share when the run is stopped.
  @Test func stoppedInABlockPairSharedUnevenly() throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let path = try world.broadcast(folder.file("checkpoints"))
    let problem = try Problem(on: world) { _ in 0 }
    let count = problem.statistics.count
    let whole = try #require(try problem.search(nil, threads: 1, on: world))
    let part = try world.split(colour: world.rank < 2 ? 0 : 1, key: world.rank)
    let isStopped = world.size > 1
    // Rank 0 has asked three times when it has done the rows of its own block pair, and then asks after every 16.
    let chunks = 18
    if isStopped && world.rank < 2 {
      let stop = try StopRequest(on: part)
      let tokens = RankTokens(try part.split(colour: 0, key: part.rank))
      stop.whenPolled = { poll in
        if part.rank == 0 && poll == 3 + chunks {
          try! tokens.send()
          try! stop.ask()
        }
        if part.rank == 1 && poll == 1 { try! tokens.receive(seconds: 60) }
      }
      let lists = try problem.search(
        checkpoints(path, stop: stop, on: part).search(pass: 1), threads: 1, on: part)
      #expect(lists == nil)
      try tokens.finish()
    }
    try world.barrier()
    let stop = try StopRequest(on: world)
    let checkpoint = checkpoints(path, stop: stop, on: world).search(pass: 1)
    if isStopped {
      let partition = Partition(of: count, among: world.size)
      let laneGroups = PairBlock.laneGroups(of: partition, groups: problem.groups)
      var lists = SearchLists(
        BlockPositions(laneGroups[world.rank], range: partition.range(of: world.rank)),
        capacity: Self.capacity)
      let known = try checkpoint.restore(into: &lists, shares: partition)
      let compared = ComparedRectangle(images: 0..<16 * chunks, partners: count / 2..<count)
      #expect(known.rectangles.contains { $0.contains(compared) }, "\(known.rectangles)")
      #expect(known.rectangles.contains { $0.contains(compared.transposed) }, "\(known.rectangles)")
    }
    let end = try problem.search(checkpoint, threads: 2, on: world)
    #expect(end == whole)
    try world.barrier()
  }
}
