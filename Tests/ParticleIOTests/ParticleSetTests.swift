import Foundation
import ParticleIO
import TestSupport
import Testing

@Suite struct ParticleSetTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func everyValueOfRELION31IsRead() throws {
    let set = try ParticleSet.read(starFile: RELION31.write(to: folder), ctf: .required)
    #expect(set.hasCTF && set.boxSize == 8 && set.pixelSize == 1.5 && set.isPixelSizeKnown)
    #expect(set.stacks == [folder.file("a.mrcs"), folder.file("b.mrc")])
    #expect(
      set.opticsGroups == [
        OpticsGroup(
          number: 1, name: "first", voltage: 300, sphericalAberration: 2.7, amplitudeContrast: 0.1,
          pixelSize: 1.5, imageSize: 8),
        OpticsGroup(
          number: 2, name: "second", voltage: 200, sphericalAberration: 2, amplitudeContrast: 0.07,
          pixelSize: 1.5, imageSize: 8),
      ])
    #expect(set.particles.map(\.stack) == [0, 0, 1, 0, 1])
    #expect(set.particles.map(\.section) == [1, 2, 0, 0, 3])
    #expect(set.particles.map(\.opticsGroup) == [0, 0, 1, 0, 1])
    #expect(set.particles.map(\.line) == [31, 32, 33, 34, 35])
    #expect(
      set.particles[2].ctf
        == CTFParameters(
          voltage: 200, sphericalAberration: 2, amplitudeContrast: 0.07, defocusU: 20000,
          defocusV: 21000, defocusAngle: -20, phaseShift: 90, bFactor: 50, scale: 0.5))
  }

  /// Adding RELION's origin centres a particle: it lies at the negative of it.
  @Test func originsSayWhereParticlesLie() throws {
    let stack = folder.file("one.mrcs")
    let writer = try MRCWriter(
      path: stack, width: 8, height: 8, sections: 2, pixelSize: 1.5, content: .imageStack)
    for _ in 0..<2 { try writer.append([Float](repeating: 1, count: 64)) }
    try writer.finish()
    func read(_ columns: [String], _ values: [String]) throws -> [SIMD2<Float>] {
      let labels = ["_rlnImageName", "_rlnImagePixelSize"] + columns
      let rows = values.enumerated().map { "\($0 + 1)@one.mrcs 1.5 \($1)" }
      try folder.write(
        "data_particles\nloop_\n" + (labels + rows).joined(separator: "\n") + "\n",
        to: "origins.star")
      return try ParticleSet.read(starFile: folder.file("origins.star"), ctf: .ignored)
        .particles.map(\.displacement)
    }
    #expect(
      try read(["_rlnOriginYAngst", "_rlnOriginXAngst"], ["3 -1.5", "0 0.75"])
        == [[1, -2], [-0.5, 0]])
    #expect(
      try read(["_rlnOriginX", "_rlnOriginY"], ["3 -1.5", "0 0.75"]) == [[-3, 1.5], [0, -0.75]])
    #expect(try read(["_rlnOriginX"], ["3", "0"]) == [.zero, .zero])
    let error = #expect(throws: InputError.self) {
      try read(["_rlnOriginX", "_rlnOriginY"], ["0 0", "0 4.5"])
    }
    #expect(error?.particle == 1 && error?.line == 8 && error?.column == "rlnOriginX")
  }

  @Test func imagesAreThoseThatTheSTARFileNames() throws {
    let set = try ParticleSet.read(starFile: RELION31.write(to: folder), ctf: .ignored)
    #expect(!set.hasCTF)
    #expect(set.particles.allSatisfy { $0.ctf == CTFParameters.identity })
    var pixels = [Float](repeating: .nan, count: 5 * 64)
    try pixels.withUnsafeMutableBufferPointer { try set.readImages(0..<5, into: $0) }
    // Stack a holds 100 section + pixel, stack b the same values back to front.
    let starts: [Float] = [100, 200, 363, 0, 63]
    let signs: [Float] = [1, 1, -1, 1, -1]
    var wanted: [Float] = []
    for (start, sign) in zip(starts, signs) {
      for pixel in 0..<64 { wanted.append(start + sign * Float(pixel)) }
    }
    #expect(pixels == wanted)
    let reader = ParticleReader(set)
    for start in [3, 0, 1] {
      var part = [Float](repeating: .nan, count: 2 * 64)
      try part.withUnsafeMutableBufferPointer { try reader.read(start..<start + 2, into: $0) }
      #expect(part == Array(wanted[start * 64..<(start + 2) * 64]))
    }
  }

  @Test func particlesMayHaveTheirOwnMicroscope() throws {
    let star = """
      data_images
      loop_
      _rlnImageName
      _rlnVoltage
      _rlnSphericalAberration
      _rlnAmplitudeContrast
      _rlnDefocusU
      _rlnDefocusV
      _rlnDefocusAngle
      _rlnMagnification
      _rlnDetectorPixelSize
      1@a.mrcs 300 2.7 0.1 15000 15100 3 50000 14
      2@a.mrcs 200 2.7 0.1 15000 15100 3 50000 14
      3@a.mrcs 300 2.7 0.1 15000 15100 3 25000 7

      """
    let set = try ParticleSet.read(starFile: RELION31.write(to: folder, star: star), ctf: .required)
    #expect(set.particles.map(\.opticsGroup) == [0, 1, 0])
    #expect(set.opticsGroups.map(\.voltage) == [300, 200])
    #expect(set.opticsGroups.map(\.number) == [1, 2])
    #expect(set.pixelSize == 2.8)
  }

  @Test func oneParticleMayStandWithoutLoop() throws {
    let star = """
      data_optics
      _rlnOpticsGroup 3
      _rlnImagePixelSize 1.25
      data_particles
      _rlnImageName "4@a.mrcs"
      _rlnOpticsGroup 3
      """
    let set = try ParticleSet.read(starFile: RELION31.write(to: folder, star: star), ctf: .ignored)
    #expect(set.particles.count == 1 && set.particles[0].section == 3)
    #expect(set.particles[0].line == 5 && set.pixelSize == 1.25)
  }

  @Test func stacksAreFoundFromTheSTARFileOrTheCurrentFolder() throws {
    _ = try RELION31.write(to: folder)
    let jobs = folder.file("Extract/job001")
    try FileManager.default.createDirectory(atPath: jobs, withIntermediateDirectories: true)
    let path = jobs + "/particles.star"
    let absolute = RELION31.star.replacingOccurrences(of: "@a", with: "@\(folder.path)/a")
      .replacingOccurrences(of: "@b.mrc", with: "@../../b.mrc")
    try absolute.write(toFile: path, atomically: true, encoding: .utf8)
    let set = try ParticleSet.read(starFile: path, ctf: .required)
    #expect(set.stacks == [folder.file("a.mrcs"), jobs + "/../../b.mrc"])
    // As in a project: the path that leads from the current folder to the stack.
    let up = String(
      repeating: "../",
      count: FileManager.default.currentDirectoryPath.split(separator: "/").count)
    let project = absolute.replacingOccurrences(
      of: "@../../b.mrc", with: "@\(up)\(folder.path.dropFirst())/b.mrc")
    try project.write(toFile: path, atomically: true, encoding: .utf8)
    let found = try ParticleSet.read(starFile: path, ctf: .required).stacks[1]
    #expect(found == "\(up)\(folder.path.dropFirst())/b.mrc")
  }

  @Test func unusedOpticsGroupsMayDiffer() throws {
    let star = RELION31.star.replacingOccurrences(
      of: "200 1.5 8\n", with: "200 1.5 8\n7 unused 0.1 2.7 300 3.0 16\n")
    let set = try ParticleSet.read(starFile: RELION31.write(to: folder, star: star), ctf: .required)
    #expect(set.opticsGroups.count == 3 && set.pixelSize == 1.5)
  }
}
