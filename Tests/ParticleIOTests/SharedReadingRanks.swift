import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

/// Collective: every rank runs the same tests in the same order.
@Suite(.serialized) struct SharedReadingRanks {
  @Test func everyRankGetsWhatRankZeroReads() throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let path = try RELION31.write(to: folder)
    let alone = try ParticleSet.read(starFile: path, ctf: .required)
    let shared = try ParticleSet.read(starFile: path, ctf: .required, on: world)
    #expect(shared.particles == alone.particles && shared.opticsGroups == alone.opticsGroups)
    #expect(shared.stacks.map { ($0 as NSString).lastPathComponent } == ["a.mrcs", "b.mrc"])
    #expect(shared.boxSize == 8 && shared.pixelSize == 1.5 && shared.hasCTF)
    try world.barrier()
  }

  @Test func everyRankLearnsOfAMistake() throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    #expect(throws: ReportedError.self) {
      try ParticleSet.read(starFile: folder.file("none.star"), ctf: .required, on: world)
    }
  }
}
