import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import Resume

/// A search by reference classes that is stopped in any of its stages goes on there, on any number of ranks, makes no
/// list twice, and ends with the lists of a search that was not stopped.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct ReferenceCheckpointRanks {
  private static let (count, references, candidates) = (151, 30, 20)
  private static let (rounds, shared) = (2, 40)
  /// Items of a stage, summed over the ranks: three comparisons with reference classes, and candidates.
  private static let items = [
    "reference classes": 3 * count * references, "candidates": count * candidates,
    "pass 2": count * candidates, "pass 3": count * candidates,
    "co-assignment": rounds * count * shared,
  ]

  /// What one rank does in each stage; asks for a stop after some blocks of one of them.
  private final class Account: StageObserver {
    private(set) var first: [String: Int] = [:]
    private(set) var last: [String: Int] = [:]
    private var stage = ""
    var stopping: (stage: String, items: Int, ask: () throws -> Void)?

    func stageBegan(_ name: String, items: Int) { stage = name }
    func stageAdvanced(to done: Int) {
      if first[stage] == nil { first[stage] = done }
      last[stage] = done
      if let stopping, stopping.stage == stage, done >= stopping.items {
        self.stopping = nil
        do { try stopping.ask() } catch { Issue.record(error) }
      }
    }
    func communicating<R>(_ body: () throws -> R) rethrows -> R { try body() }
    func stageEnded() {}
  }

  /// Where the runs of a test save, and what they say.
  private final class Session {
    let setting: ReferenceSetting
    let path: String
    var lines: [String] = []

    init(_ setting: ReferenceSetting, _ path: String) {
      (self.setting, self.path) = (setting, path)
    }

    /// The table, or nil where the run was stopped. Collective on `comm`.
    func run(
      on comm: Communicator, stop: StopRequest, account: Account, input: String = "test",
      interval: Double = 1e9, threads: Int = 1
    ) throws -> NeighbourTable? {
      let checkpoints = Checkpoints(
        path: path, sources: Checkpoints.sources(input: ["input": input], AverageOptions()),
        isResuming: true, interval: interval, stop: stop, on: comm
      ) { self.lines.append($0) }
      do {
        return try setting.search(
          references: ReferenceCheckpointRanks.references,
          candidates: ReferenceCheckpointRanks.candidates, neighbours: 6, limit: 3,
          threads: threads, on: comm, blocks: (8, 5 * ReferenceCheckpointRanks.candidates),
          rounds: ReferenceCheckpointRanks.rounds, shared: ReferenceCheckpointRanks.shared,
          checkpoints: checkpoints, observer: account)
      } catch is Interruption { return nil }
    }

    /// The parts in the folder.
    var parts: [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
        .filter { $0.contains("rank") }.sorted()
    }
  }

  private func setting(on comm: Communicator) throws -> ReferenceSetting {
    try ReferenceSetting(images: Self.count, distinct: 10, noiseVariance: 2, on: comm)
  }

  private func whole(_ setting: ReferenceSetting, on comm: Communicator) throws -> NeighbourTable {
    try setting.search(
      references: Self.references, candidates: Self.candidates, neighbours: 6, limit: 3,
      on: comm.split(colour: comm.rank, key: 0), rounds: Self.rounds, shared: Self.shared)
  }

  private func expectSame(_ table: NeighbourTable?, _ whole: NeighbourTable) throws {
    let table = try #require(table)
    #expect(table.indices == whole.indices && table.affinities == whole.affinities)
    #expect(table.alignments == whole.alignments)
  }

  /// Runs on the first `ranks` of a world, to which the others belong as well.
  private func some(_ ranks: Int, of world: Communicator, _ body: (Communicator) throws -> Void)
    throws
  {
    let part = try world.split(colour: world.rank < ranks ? 0 : 1, key: world.rank)
    if world.rank < ranks { try body(part) }
    try world.barrier()
  }

  /// Stops two ranks in a stage after some of its items on the last one, and leaves what they saved in
  /// `path`. Returns the items that all ranks have done. Collective on `world`.
  private func stopped(
    _ session: Session, in stage: String, after items: Int, on world: Communicator
  ) throws -> Int {
    var done = 0
    try some(min(2, world.size), of: world) { part in
      let stop = try StopRequest(on: part)
      let account = Account()
      if part.rank == part.size - 1 {
        account.stopping = (
          stage, items,
          {
            // Before the time is up, nothing is written but what ends a stage.
            let due = session.parts.filter {
              !$0.hasPrefix("landmarks-2-") || stage == "reference classes"
            }
            #expect(due == [])
            try stop.ask()
          }
        )
      }
      let table = try session.run(on: part, stop: stop, account: account)
      #expect(table?.count == nil)
      done = try part.allreduce(account.last[stage] ?? 0)
    }
    return try world.broadcast([done])[0]
  }

  @Test(
    "What is saved in any stage is used, on any number of ranks",
    arguments: [
      ("reference classes", 0.1), ("reference classes", 0.75), ("candidates", 0.5), ("pass 2", 0.3),
      ("pass 3", 0.6), ("co-assignment", 0.3), ("co-assignment", 0.8),
    ])
  func everyStage(stage: String, share: Double) throws {
    let world = try testWorld()
    let setting = try setting(on: world)
    let whole = try whole(setting, on: world)
    let folder = try TemporaryFolder()
    let root = try world.broadcast(folder.path)
    let all = try #require(Self.items[stage])
    let items = Int(share * Double(all)) / min(2, world.size)
    let done = try stopped(
      Session(setting, root + "/left"), in: stage, after: items, on: world)
    #expect(done >= items && done < all, "\(done) of \(all)")

    for ranks in 1...world.size {
      let session = Session(setting, "\(root)/\(ranks)")
      if world.isRoot {
        try FileManager.default.copyItem(atPath: root + "/left", toPath: session.path)
      }
      try world.barrier()
      try some(ranks, of: world) { part in
        let account = Account()
        let table = try session.run(
          on: part, stop: try StopRequest(on: part), account: account, threads: 1 + ranks % 2)
        try expectSame(table, whole)
        let first = try part.allreduce(account.first[stage] ?? 0)
        let last = try part.allreduce(account.last[stage] ?? 0)
        #expect(first == done && last == all, "from \(first), not \(done), to \(last)")
        if stage == "pass 3" { #expect(account.first["candidates"] == nil) }
        if stage == "co-assignment" { #expect(account.first["pass 3"] == nil) }
        if part.isRoot {
          #expect(session.lines.contains { $0.contains("resuming") }, "\(session.lines)")
          #expect(!session.lines.contains { $0.contains("not used") }, "\(session.lines)")
          // Those of the last comparison with reference classes go when the neighbours are saved.
          #expect(session.parts.filter { !$0.hasPrefix("shared-1-") } == [])
        }
      }
    }
  }

  @Test("Stopped again and again on other ranks, a search makes no list twice")
  func againAndAgain() throws {
    let world = try testWorld()
    let setting = try setting(on: world)
    let whole = try whole(setting, on: world)
    let folder = try TemporaryFolder()
    let session = Session(setting, try world.broadcast(folder.file("checkpoints")))
    var work: [String: Int] = [:]
    var table: NeighbourTable?
    var runs = 0
    while table == nil && runs < 120 {
      // 2, 1, 3, ... ranks, as far as there are; each part is saved as soon as a block is done.
      let ranks = min([2, 1, 3, 4][runs % 4], world.size)
      try some(ranks, of: world) { part in
        let stop = try StopRequest(on: part)
        let account = Account()
        let last = 3 + runs % 3
        stop.whenPolled = { poll in
          if poll == last && part.rank == part.size - 1 { try? stop.ask() }
        }
        table = try session.run(on: part, stop: stop, account: account, interval: 0)
        for stage in Self.items.keys.sorted() {
          let made = (account.last[stage] ?? 0) - (account.first[stage] ?? 0)
          work[stage, default: 0] += try part.allreduce(made)
        }
      }
      table = try world.broadcast([table == nil ? 0 : 1])[0] == 0 ? nil : (table ?? whole)
      runs += 1
    }
    try expectSame(table, whole)
    if world.isRoot {
      #expect(runs > 8 && work == Self.items, "\(runs) runs, \(work)")
      #expect(!session.lines.contains { $0.contains("not used") }, "\(session.lines)")
    }
  }

  @Test("What is damaged or of another run is named and not used, the rest is")
  func damaged() throws {
    let world = try testWorld()
    let setting = try setting(on: world)
    let whole = try whole(setting, on: world)
    let folder = try TemporaryFolder()
    let root = try world.broadcast(folder.path)
    let all = try #require(Self.items["reference classes"])
    let left = Session(setting, root + "/left")
    let done = try stopped(
      left, in: "reference classes", after: all * 3 / 4 / min(2, world.size), on: world)
    for (at, name) in ["landmarks-2-rank-0-1", "landmarks-2", "all"].enumerated() {
      let session = Session(setting, "\(root)/\(at)")
      if world.isRoot {
        try FileManager.default.copyItem(atPath: left.path, toPath: session.path)
        if name != "all" {
          let url = URL(fileURLWithPath: "\(session.path)/\(name)")
          var content = try Data(contentsOf: url)
          content[content.count * 2 / 3] ^= 16
          try content.write(to: url)
        }
      }
      try world.barrier()
      let account = Account()
      let table = try session.run(
        on: world, stop: try StopRequest(on: world), account: account,
        input: name == "all" ? "other" : "test")
      try expectSame(table, whole)
      let first = try world.allreduce(account.first["reference classes"] ?? 0)
      if name == "all" {
        #expect(first == 0)
      } else if name == "landmarks-2" {
        // The classes before serve, and the lists of the later ones once these are made again.
        #expect(first == all / 3)
      } else {
        #expect(first < done && (first > all * 2 / 3 || world.size == 1), "\(first) of \(done)")
      }
      guard world.isRoot else { continue }
      let reason =
        name == "all"
        ? "is of another run: input was test, now it is other"
        : "\(session.path)/\(name): is corrupt: its checksum does not fit its content"
      let isNamed = session.lines.contains { $0.hasPrefix("not used: ") && $0.hasSuffix(reason) }
      #expect(isNamed, "\(session.lines)")
    }
  }
}
