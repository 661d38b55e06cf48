import ImageModel
import MPI
import ParticleIO

/// Writes images that belong to particles, one each, as an MRC stack and a STAR file in RELION 3.1's form.
/// Image i of the stack belongs to particle i of the input; a particle that was left out gets an image of
/// zeros. Every rank writes its images at their place in the stack, rank 0 the rest.
public final class ParticleStackWriter: ImageSink {
  private let stack: MRCWriter
  /// On rank 0.
  private let star: STARWriter?
  private let originalIndex: [Int32]
  private let pixels: Int
  private let comm: Communicator

  /// Starts the files. Collective; throws `ReportedError`.
  init(
    folder: String, name: String, set: ParticleSet, originalIndex: [Int32], count: Int,
    on comm: Communicator
  ) throws {
    self.originalIndex = originalIndex
    self.comm = comm
    pixels = set.boxSize * set.boxSize
    stack = try MRCWriter.shared(
      path: "\(folder)/\(name).mrcs", width: set.boxSize, height: set.boxSize, sections: count,
      pixelSize: set.pixelSize, content: .imageStack, on: comm)
    star = try comm.agree {
      comm.isRoot ? try Self.table("\(folder)/\(name)", name: name, set: set, count: count) : nil
    }
    try comm.agree { if comm.isRoot { try fillGaps(count: count) } }
  }

  /// The table of a stack `path`.mrcs.
  private static func table(_ path: String, name: String, set: ParticleSet, count: Int) throws
    -> STARWriter
  {
    let star = try STARWriter(path: "\(path).star")
    try star.beginTable(
      "optics",
      labels: [
        "rlnOpticsGroup", "rlnOpticsGroupName", "rlnAmplitudeContrast", "rlnSphericalAberration",
        "rlnVoltage", "rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality",
      ])
    for group in set.opticsGroups {
      try star.append([
        .int(group.number), .string(group.name), .double(group.amplitudeContrast),
        .double(group.sphericalAberration), .double(group.voltage), .double(set.pixelSize),
        .int(set.boxSize), .int(2),
      ])
    }
    try star.beginTable(
      "particles", labels: ["rlnImageName", "rlnOpticsGroup", "rlnImageOriginalName"])
    for particle in set.particles.prefix(count).enumerated() {
      let number = String(particle.offset + 1)
      let padded = String(repeating: "0", count: max(0, 6 - number.count)) + number
      let entry = particle.element
      try star.append([
        .string("\(padded)@\(name).mrcs"),
        .int(set.opticsGroups[Int(entry.opticsGroup)].number),
        .string("\(entry.section + 1)@\(set.stacks[Int(entry.stack)])"),
      ])
    }
    return star
  }

  /// Zeros for particles that were left out.
  private func fillGaps(count: Int) throws {
    let zeros = [Float](repeating: 0, count: pixels)
    var next = 0
    for index in originalIndex.prefix(while: { $0 < count }) + [Int32(count)] {
      for particle in next..<Int(index) {
        try zeros.withUnsafeBufferPointer { try stack.write($0, section: particle) }
      }
      next = Int(index) + 1
    }
  }

  /// Writes images of particles that take part; `first` counts these from 0. Throws `OutputError`.
  public func write(_ images: UnsafeBufferPointer<Float>, from first: Int) throws {
    let end = first + images.count / pixels
    var start = first
    while start < end {
      // At once as far as none was left out between them.
      var next = start + 1
      while next < end && originalIndex[next] == originalIndex[next - 1] + 1 { next += 1 }
      try stack.write(
        UnsafeBufferPointer(rebasing: images[(start - first) * pixels..<(next - first) * pixels]),
        section: Int(originalIndex[start]))
      start = next
    }
  }

  public func complete() throws { try stack.collect(on: comm) }

  /// Gives the files their names, on rank 0, once they are complete. Throws `OutputError`.
  func finish() throws {
    try stack.finish()
    try star?.finish()
  }
}
