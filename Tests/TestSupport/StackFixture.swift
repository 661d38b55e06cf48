import Foundation
import MPI
import ParticleIO

/// A particle set whose stack lies in a folder that all ranks see. Collective.
///
/// - Parameter images: size x size pixels each; the CTF is 1 unless given.
package func writeStack(
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
package func blobs(
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

package let testOptics = OpticsGroup(
  number: 1, name: "one", voltage: 300, sphericalAberration: 2.7, amplitudeContrast: 0.1,
  pixelSize: 3)

package func testCTF(defocus: Double, astigmatism: Double = 0, angle: Double = 0) -> CTFParameters {
  CTFParameters(
    voltage: 300, sphericalAberration: 2.7, amplitudeContrast: 0.1,
    defocusU: defocus + astigmatism / 2, defocusV: defocus - astigmatism / 2, defocusAngle: angle)
}

package func testParticle(_ ctf: CTFParameters, optics: Int32 = 0, section: Int = 0) -> Particle {
  Particle(
    stack: 0, section: Int32(section), opticsGroup: optics, line: Int32(section + 20), ctf: ctf)
}
