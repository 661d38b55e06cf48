import Foundation
import ParticleIO

/// Writes a simulation's files, on one rank. They have temporary names until `finish`; a writer that
/// is dropped before leaves nothing.
final class SimulationWriter {
  private let folder: SimulationFolder
  private let parameters: SimulationParameters
  private let boxSize: Int
  private let particles: MRCWriter
  private let clean: MRCWriter

  /// Starts the two stacks.
  init(folder: SimulationFolder, parameters: SimulationParameters, boxSize: Int) throws {
    self.folder = folder
    self.parameters = parameters
    self.boxSize = boxSize
    func stack(_ path: String) throws -> MRCWriter {
      try MRCWriter(
        path: path, width: boxSize, height: boxSize, sections: parameters.images,
        pixelSize: parameters.pixelSize, content: .imageStack)
    }
    particles = try stack(folder.particles)
    clean = try stack(folder.clean)
  }

  /// Writes the images from number `first` on, in any order.
  func write(
    particles images: UnsafeBufferPointer<Float>, clean cleanImages: UnsafeBufferPointer<Float>,
    first: Int
  ) throws {
    try particles.write(images, section: first)
    try clean.write(cleanImages, section: first)
  }

  /// Writes the tables and gives all files their names; on an error none is left.
  func finish() throws {
    let particleTable = try particleTable()
    let truthTable = try truthTable()
    var named: [String] = []
    do {
      for (path, finish) in [
        (folder.particles, particles.finish), (folder.clean, clean.finish),
        (folder.truth, truthTable.finish), (folder.particlesSTAR, particleTable.finish),
      ] {
        try finish()
        named.append(path)
      }
    } catch {
      for path in named { unlink(path) }
      throw error
    }
  }

  private func particleTable() throws -> STARWriter {
    let table = try STARWriter(path: folder.particlesSTAR)
    try table.beginTable(
      "optics",
      labels: [
        "rlnOpticsGroup", "rlnOpticsGroupName", "rlnAmplitudeContrast", "rlnSphericalAberration",
        "rlnVoltage", "rlnImagePixelSize", "rlnMicrographOriginalPixelSize", "rlnImageSize",
        "rlnImageDimensionality",
      ])
    try table.append([
      .int(1), .string("opticsGroup1"), .double(parameters.amplitudeContrast),
      .double(parameters.sphericalAberration), .double(parameters.voltage),
      .double(parameters.pixelSize), .double(parameters.pixelSize), .int(boxSize), .int(2),
    ])
    try table.beginTable(
      "particles",
      labels: [
        "rlnImageName", "rlnOpticsGroup", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle",
        "rlnCtfBfactor",
      ])
    for image in 0..<parameters.images {
      let ctf = parameters.ctf(ofGroup: parameters.defocusGroup(ofImage: image))
      try table.append([
        .string(name(image, of: folder.particles)), .int(1), .double(ctf.defocusU),
        .double(ctf.defocusV), .double(ctf.defocusAngle), .double(ctf.bFactor),
      ])
    }
    return table
  }

  private func truthTable() throws -> STARWriter {
    let table = try STARWriter(path: folder.truth)
    try table.beginTable(
      "particles",
      labels: [
        "rlnImageName", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "kindredDefocusGroup",
      ])
    for image in 0..<parameters.images {
      let orientation = Orientation.random(image: image, seed: parameters.seed)
      try table.append([
        .string(name(image, of: folder.clean)), .double(orientation.rot),
        .double(orientation.tilt), .double(orientation.psi),
        .int(parameters.defocusGroup(ofImage: image)),
      ])
    }
    return table
  }

  /// An image's name in RELION's form, relative to the folder of the STAR file.
  private func name(_ image: Int, of stack: String) -> String {
    let digits = String(image + 1)
    let zeros = String(repeating: "0", count: max(0, 6 - digits.count))
    return "\(zeros)\(digits)@\((stack as NSString).lastPathComponent)"
  }
}
