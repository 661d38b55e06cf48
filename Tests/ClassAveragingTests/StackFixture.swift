import Foundation
import MPI
import ParticleIO
import TestSupport

/// A particle set whose stack lies in a folder that all ranks see. Collective.
///
/// - Parameter images: size x size pixels each; the CTF is 1 unless given.
func writeStack(
  _ images: [[Float]], size: Int, ctfs: [CTFParameters]? = nil, optics: OpticsGroup = testOptics,
  in folder: TemporaryFolder, on comm: Communicator
) throws -> ParticleSet {
  let path = try comm.broadcast(folder.file("particles.mrcs"))
  if comm.isRoot {
    let writer = try MRCWriter(
      path: path, width: size, height: size, sections: images.count, pixelSize: 3,
      content: .imageStack)
    for image in images { try writer.append(image) }
    try writer.finish()
  }
  try comm.barrier()
  return ParticleSet(
    starFile: "particles.star", stacks: [path], opticsGroups: [optics],
    particles: images.indices.map { testParticle(ctfs?[$0] ?? .identity, section: $0) },
    hasCTF: true, boxSize: size, pixelSize: 3)
}

/// A few Gaussian blobs; turned from columns towards rows, reflected (y -> -y) after that. `scale` enlarges.
func blobs(
  size: Int, turned angle: Double = 0, reflected: Bool = false, scale: Double = 1
) -> [Float] {
  (0..<size * size).map { pixel in
    let x = Double(pixel % size - size / 2) / scale
    let y = Double(pixel / size - size / 2) / scale * (reflected ? -1 : 1)
    let (u, v) = (x * cos(angle) + y * sin(angle), -x * sin(angle) + y * cos(angle))
    func blob(_ cx: Double, _ cy: Double, _ s: Double) -> Double {
      exp(-((u - cx) * (u - cx) + (v - cy) * (v - cy)) / (2 * s * s))
    }
    return Float(blob(3, 1, 1.6) + 0.7 * blob(-2, 4, 1.9) - 0.4 * blob(1, -4, 2))
  }
}
