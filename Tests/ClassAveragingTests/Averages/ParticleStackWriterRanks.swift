import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

/// Collective: every rank runs the same tests in the same order.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ParticleStackWriterRanks {
  private let size = 6
  private var pixels: Int { size * size }

  /// Particles in two stacks and two optics groups.
  private func set(_ count: Int) -> ParticleSet {
    var second = testOptics
    (second.number, second.name, second.amplitudeContrast) = (7, "second group", 0.07)
    (second.voltage, second.sphericalAberration) = (200, 2)
    let particles = (0..<count).map { at -> Particle in
      let group: Int32 = at % 3 == 2 ? 1 : 0
      return Particle(
        stack: Int32(at % 2), section: Int32(10 + at), opticsGroup: group, line: Int32(at),
        ctf: .identity)
    }
    return ParticleSet(
      starFile: "particles.star", stacks: ["Extract/one.mrcs", "two.mrcs"],
      opticsGroups: [testOptics, second], particles: particles, hasCTF: true, boxSize: size,
      pixelSize: 3)
  }

  /// Pixels of the images that take part.
  private func images(_ count: Int) -> [Float] {
    randomNormals(count * pixels, seed: 8).map { Float(2 + $0) }
  }

  /// A folder that all ranks see; it lives on rank 0.
  private func sharedFolder(_ world: Communicator) throws -> (TemporaryFolder?, path: String) {
    let folder = world.isRoot ? try TemporaryFolder() : nil
    return (folder, try world.broadcast(folder?.path ?? ""))
  }

  /// Writes images `range` of those that take part, `together` at once.
  private func write(_ range: Range<Int>, of images: [Float], together: Int, to sink: any ImageSink)
    throws
  {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: together) {
      let end = min(start + together, range.upperBound)
      try images[start * pixels..<end * pixels].withUnsafeBufferPointer {
        try sink.write($0, from: start)
      }
    }
  }

  private func number<T>(_ data: Data, at offset: Int, as type: T.Type) -> T {
    data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
  }

  /// Particles left out at the beginning, in the middle, at the end, and none; with fewer sections than particles.
  private static let cases: [(left: Set<Int>, sections: Int)] = [
    ([], 23), ([0, 1, 7, 12, 13, 14, 22], 23), ([3, 22], 15), ([14, 15], 15),
  ]

  @Test("Every image is at its particle's place, zeros elsewhere", arguments: 0..<4, [1, 5])
  func bytes(at: Int, together: Int) throws {
    let world = try testWorld()
    let (left, sections) = Self.cases[at]
    let (folder, path) = try sharedFolder(world)
    let kept = (0..<23).filter { !left.contains($0) }
    let written = kept.count { $0 < sections }
    let images = images(written)
    let writer = try ParticleStackWriter(
      folder: path, name: "averages", set: set(23), originalIndex: kept.map { Int32($0) },
      count: sections, on: world)
    let own = raggedSlice(of: written, rank: world.rank, ranks: world.size)
    try write(own, of: images, together: together, to: writer)
    try writer.complete()
    if let folder {
      let parts = try folder.names
      #expect(parts.count == 2 && parts[0].hasPrefix("averages.mrcs.part-"))
      #expect(parts.last?.hasPrefix("averages.star.part-") == true)
      try writer.finish()
      #expect(try folder.names == ["averages.mrcs", "averages.star"])

      var expected = [Float](repeating: 0, count: sections * pixels)
      for (image, particle) in kept.prefix(written).enumerated() {
        expected.replaceSubrange(
          particle * pixels..<(particle + 1) * pixels,
          with: images[image * pixels..<(image + 1) * pixels])
      }
      let data = try folder.data("averages.mrcs")
      #expect(data.count == 1024 + 4 * expected.count)
      #expect(Array(data.dropFirst(1024)) == expected.withUnsafeBytes { Array($0) })
      // Columns, rows and sections; mode 2, 32-bit floats; one sampling along z; the cell in A; a stack of images.
      for (offset, value) in [
        (0, size), (4, size), (8, sections), (12, 2), (28, size), (32, size), (36, 1), (88, 0),
        (92, 0),
      ] {
        #expect(number(data, at: offset, as: Int32.self) == value, "word at \(offset)")
      }
      for (offset, value) in [(40, 18), (44, 18), (48, 3)] {
        #expect(number(data, at: offset, as: Float.self) == Float(value))
      }
      #expect(String(decoding: data[208..<212], as: UTF8.self) == "MAP ")
      let n = Double(expected.count)
      let mean = expected.reduce(0) { $0 + Double($1) } / n
      let square = expected.reduce(0) { $0 + pow(Double($1) - mean, 2) } / n
      #expect(number(data, at: 76, as: Float.self) == expected.min()!)
      #expect(number(data, at: 80, as: Float.self) == expected.max()!)
      #expect(abs(Double(number(data, at: 84, as: Float.self)) - mean) < 1e-6)
      #expect(abs(Double(number(data, at: 216, as: Float.self)) - square.squareRoot()) < 1e-6)
    }
    try world.barrier()
  }

  @Test("The table has a row for every section, which names its image and where that came from")
  func rows() throws {
    let world = try testWorld()
    let (folder, path) = try sharedFolder(world)
    let writer = try ParticleStackWriter(
      folder: path, name: "denoised", set: set(5), originalIndex: [0, 2, 3], count: 4, on: world)
    if world.isRoot { try write(0..<3, of: images(3), together: 3, to: writer) }
    try writer.complete()
    if let folder {
      try writer.finish()
      let lines = try folder.text("denoised.star").split(separator: "\n").map {
        // Runs of spaces only fill columns.
        $0.split(separator: " ").joined(separator: " ")
      }
      #expect(
        lines == [
          "# version 30001", "data_optics", "loop_", "_rlnOpticsGroup #1",
          "_rlnOpticsGroupName #2", "_rlnAmplitudeContrast #3", "_rlnSphericalAberration #4",
          "_rlnVoltage #5", "_rlnImagePixelSize #6", "_rlnImageSize #7",
          "_rlnImageDimensionality #8",
          "1 one 0.1 2.700000 300.000000 3.000000 6 2",
          "7 \"second group\" 0.07 2.000000 200.000000 3.000000 6 2",
          "# version 30001", "data_particles", "loop_", "_rlnImageName #1", "_rlnOpticsGroup #2",
          "_rlnImageOriginalName #3",
          "000001@denoised.mrcs 1 11@Extract/one.mrcs", "000002@denoised.mrcs 1 12@two.mrcs",
          "000003@denoised.mrcs 7 13@Extract/one.mrcs", "000004@denoised.mrcs 1 14@two.mrcs",
        ])
    }
    try world.barrier()
  }

  @Test("What it writes can be read as particles, pixel for pixel")
  func roundTrip() throws {
    let world = try testWorld()
    let (folder, path) = try sharedFolder(world)
    let images = images(5)
    let writer = try ParticleStackWriter(
      folder: path, name: "averages", set: set(5), originalIndex: [0, 1, 2, 3, 4], count: 5,
      on: world)
    let own = Partition(of: 5, among: world.size).range(of: world.rank)
    try write(own, of: images, together: 2, to: writer)
    try writer.complete()
    if let folder {
      try writer.finish()
      let set = try ParticleSet.read(starFile: folder.file("averages.star"), ctf: .ignored)
      #expect(set.boxSize == size && set.pixelSize == 3 && set.particles.count == 5)
      #expect(set.particles.map(\.section) == [0, 1, 2, 3, 4])
      #expect(
        set.particles.map { set.opticsGroups[Int($0.opticsGroup)].number } == [1, 1, 7, 1, 1])
      var read = [Float](repeating: .nan, count: 5 * pixels)
      try read.withUnsafeMutableBufferPointer { try set.readImages(0..<5, into: $0) }
      #expect(read == images)
    }
    try world.barrier()
  }

  /// No rank writes the third image.
  @Test("Without one of its images the stack gets no name, and nothing is left of it")
  func missingImage() throws {
    let world = try testWorld()
    let (folder, path) = try sharedFolder(world)
    func run() throws {
      let writer = try ParticleStackWriter(
        folder: path, name: "averages", set: set(6), originalIndex: [0, 2, 3, 4], count: 6,
        on: world)
      if world.rank == world.size - 1 {
        try write(0..<2, of: images(4), together: 1, to: writer)
        try write(3..<4, of: images(4), together: 1, to: writer)
      }
      try writer.complete()
      if world.isRoot {
        let error = #expect(throws: OutputError.self) { try writer.finish() }
        #expect("\(error!)".contains("section 3 of 6 was not written once"))
      }
    }
    try run()
    if let folder { #expect(try folder.names == []) }
    try world.barrier()
  }
}
