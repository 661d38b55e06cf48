import Foundation
import MPI
import TestSupport
import Testing

@testable import Resume

/// What checkpoints cost, against the files that are on the disk.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct CheckpointCostRanks {
  /// Each rank writes files of its own, one of them of the calibration; the last rank is slow.
  @Test func isThatOfTheFiles() throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let path = try world.broadcast(folder.file("checkpoints"))
    let checkpoints = Checkpoints(
      path: path,
      sources: CheckpointSources(
        input: ["input": "test"], model: [:], search: [:], kinds: ["pass-"],
        nested: ["calibration"]), isResuming: true, interval: 0, stop: try StopRequest(on: world),
      on: world, report: { _ in })
    #expect(try checkpoints.cost() == CheckpointCost())
    let pause = 0.05
    for part in 1...2 {
      try checkpoints.write("pass-1-rank-\(world.rank)-\(part)", [:]) {
        try $0.add([Int](repeating: part, count: 1000 * (world.rank + part)))
        if world.rank == world.size - 1 { Thread.sleep(forTimeInterval: pause) }
      }
    }
    // Made by all before any of them writes: rank 0 removes what a crash has left half written.
    let calibration = checkpoints.nested("calibration")
    try world.barrier()
    try calibration.write("pass-1-rank-\(world.rank)-1", [:]) { try $0.add(1) }

    let cost = try checkpoints.cost()
    let files = try FileManager.default.contentsOfDirectory(atPath: path)
    #expect(cost.files == 3 * world.size && cost.files == files.count)
    let sizes = try files.map {
      try FileManager.default.attributesOfItem(atPath: "\(path)/\($0)")[.size] as? Int ?? 0
    }
    #expect(cost.bytes == sizes.reduce(0, +))
    #expect(cost.seconds >= 2 * pause)
    // Every rank is told the same.
    #expect(try world.allreduce(cost.seconds, .minimum) == cost.seconds)
    try world.barrier()
  }
}
