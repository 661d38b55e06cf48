import Foundation
import MPI

extension ParticleSet {
  /// Everything but the particles, which travel as they lie in memory.
  private struct Head: Codable {
    var starFile: String
    var stacks: [String]
    var opticsGroups: [OpticsGroup]
    var count: Int
    var hasCTF: Bool
    var boxSize: Int
    var pixelSize: Double
    var isPixelSizeKnown: Bool
  }

  /// Every rank's copy of the set that rank 0 holds. Collective.
  static func broadcast(_ set: ParticleSet?, on comm: Communicator) throws -> ParticleSet {
    if comm.size == 1, let set { return set }
    let mine = try set.map { set in
      try JSONEncoder().encode(
        Head(
          starFile: set.starFile, stacks: set.stacks, opticsGroups: set.opticsGroups,
          count: set.particles.count, hasCTF: set.hasCTF, boxSize: set.boxSize,
          pixelSize: set.pixelSize, isPixelSizeKnown: set.isPixelSizeKnown))
    }
    let bytes = try comm.broadcast(mine.map { [UInt8]($0) } ?? [])
    let head = try JSONDecoder().decode(Head.self, from: Data(bytes))
    let particles = try [Particle](unsafeUninitializedCapacity: head.count) { buffer, count in
      if let set { _ = buffer.update(fromContentsOf: set.particles) }
      let raw = UnsafeMutableRawBufferPointer(
        start: buffer.baseAddress, count: head.count * MemoryLayout<Particle>.stride)
      try comm.broadcast(raw.bindMemory(to: UInt8.self))
      count = head.count
    }
    return ParticleSet(
      starFile: head.starFile, stacks: head.stacks, opticsGroups: head.opticsGroups,
      particles: particles, hasCTF: head.hasCTF, boxSize: head.boxSize, pixelSize: head.pixelSize,
      isPixelSizeKnown: head.isPixelSizeKnown)
  }
}
