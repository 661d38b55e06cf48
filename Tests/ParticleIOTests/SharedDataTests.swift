import Foundation
import ParticleIO
import TestSupport
import Testing

/// Published files; the numbers were read with Python's mrcfile, numpy and starfile.
@Suite(.enabled(if: SharedData.isPresent, "the folder ../shared/data is absent"))
struct SharedDataTests {
  struct Stack: Sendable {
    let name: String
    let side: Int
    let sections: Int
    /// Sum of the last section, sum of squares of all, and pixel x = 5, y = 3 of section 1.
    let lastSum: Double
    let squares: Double
    let pixel: Float
    let pixelSize: Double?
  }

  @Test(arguments: [
    Stack(
      name: "maps/EMD-3197.map", side: 20, sections: 20, lastSum: 307.96105283277575,
      squares: 50990.57425809062, pixel: -2.64855361, pixelSize: 11.4),
    Stack(
      name: "maps/ribosome70S_65.mrc", side: 65, sections: 65, lastSum: 0,
      squares: 0.0013006636481047566, pixel: 9.99880626e-07, pixelSize: nil),
    Stack(
      name: "real/empiar_10076_7.mrc", side: 320, sections: 7, lastSum: -215.9276910762892,
      squares: 724198.7741072889, pixel: -0.35868284, pixelSize: nil),
    Stack(
      name: "real/relion31.mrcs", side: 256, sections: 5, lastSum: -262.57572968416207,
      squares: 336326.6068625849, pixel: 0.250813991, pixelSize: 1),
    Stack(
      name: "real/rln_proj_65.mrcs", side: 65, sections: 5, lastSum: 0.3776444304781297,
      squares: 0.04482510652455654, pixel: -3.36807825e-05, pixelSize: nil),
    Stack(
      name: "real/sample.mrcs", side: 200, sections: 17, lastSum: 817.5327277687029,
      squares: 689797.6665940857, pixel: -0.318181515, pixelSize: nil),
    Stack(
      name: "real/slicem_averages.mrcs", side: 96, sections: 100, lastSum: 1.0216694778191595,
      squares: 498380.3844679699, pixel: 0, pixelSize: nil),
  ]) func stacksHoldWhatMrcfileReads(stack: Stack) throws {
    let file = try MRCFile(path: SharedData.path + "/" + stack.name)
    #expect(file.width == stack.side && file.height == stack.side)
    #expect(file.sections == stack.sections)
    #expect(file.pixelSize.map { Float($0) } == stack.pixelSize.map { Float($0) })
    let pixels = try file.pixels(0..<stack.sections)
    let area = stack.side * stack.side
    #expect(pixels[area + 3 * stack.side + 5] == stack.pixel)
    let sum = pixels.suffix(area).reduce(0.0) { $0 + Double($1) }
    let squares = pixels.reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(sum - stack.lastSum) < 1e-9 * max(1, abs(stack.lastSum)))
    #expect(abs(squares / stack.squares - 1) < 1e-9)
  }

  private func particles(_ name: String, _ ctf: CTFSource) throws -> ParticleSet {
    try ParticleSet.read(starFile: SharedData.path + "/real/" + name, ctf: ctf)
  }

  @Test func particlesOfRELION2() throws {
    let set = try particles("sample.star", .required)
    #expect(set.particles.count == 17 && set.boxSize == 200 && set.opticsGroups.count == 1)
    #expect(abs(set.pixelSize - 1.3380000265598893) < 1e-9)  // 5e4 / 37369.207031
    #expect(
      set.particles[16].ctf
        == CTFParameters(
          voltage: 300, sphericalAberration: 2.7, amplitudeContrast: 0.1, defocusU: 21186.804688,
          defocusV: 21363.109375, defocusAngle: 7.476096))
    #expect(set.particles.map(\.section) == Array(0..<17))
    #expect(set.particles[16].line == 49)
  }

  @Test func particlesOfEMPIAR10076() throws {
    let set = try particles("empiar_10076_7.star", .required)
    #expect(set.particles.count == 7 && set.boxSize == 320)
    #expect(abs(set.pixelSize - 1.3099979040033536) < 1e-9)  // 5e4 / 38168
    #expect(abs(set.particles.reduce(0) { $0 + $1.ctf.defocusU } - 106785.9) < 1e-6)
    #expect(set.particles.map(\.section) == Array(0..<7) && set.particles[6].line == 20)
  }

  @Test func particlesOfRELION31() throws {
    let set = try particles("relion31.star", .required)
    #expect(set.particles.count == 5 && set.boxSize == 256 && set.pixelSize == 2.806)
    #expect(abs(set.particles.reduce(0) { $0 + $1.ctf.defocusU } - 63976.50971) < 1e-6)
    #expect(set.particles[4].ctf.defocusAngle == -160.39)
    #expect(set.opticsGroups[0].sphericalAberration == 0.01)
    var image = [Float](repeating: 0, count: 256 * 256)
    try image.withUnsafeMutableBufferPointer { try set.readImages(4..<5, into: $0) }
    #expect(abs(image.reduce(0.0) { $0 + Double($1) } + 262.57572968416207) < 1e-9)
  }

  @Test func projectionsWithoutCTF() throws {
    let set = try particles("rln_proj_65.star", .ignored)
    #expect(set.particles.count == 5 && set.boxSize == 65)
    #expect(set.pixelSize == 1 && !set.isPixelSizeKnown && !set.hasCTF)
    let error = #expect(throws: InputError.self) {
      _ = try particles("rln_proj_65.star", .required)
    }
    #expect(error?.message.contains("lacks rlnDefocusU, rlnDefocusV, rlnDefocusAngle") == true)
    #expect(error?.remedy == .ignoringCTF)
  }

  struct Tables: Sendable {
    let name: String
    /// Rows and columns of each table.
    let tables: [String: [Int]]
  }

  @Test(arguments: [
    Tables(name: "relion31.6opticsgroups", tables: ["optics": [6, 18], "particles": [139, 23]]),
    Tables(name: "relion5", tables: ["optics": [1, 18], "particles": [17, 26]]),
    Tables(
      name: "rln3.1_data_style",
      tables: ["block_1": [1, 7], "block_2": [2, 5], "block_3": [2, 5]]),
    Tables(name: "run_it025_optimiser_2D", tables: ["optimiser_general": [1, 84]]),
    Tables(name: "run_it025_sampling_2D", tables: ["sampling_general": [1, 12]]),
  ]) func tablesAreThoseThatStarfileReads(expected: Tables) throws {
    let star = try STARFile.read(path: "\(SharedData.path)/star/\(expected.name).star")
    let shapes = star.tables.map { ($0.name, [$0.rowCount, $0.labels.count]) }
    #expect(Dictionary(uniqueKeysWithValues: shapes) == expected.tables)
  }

  @Test func valuesAreThoseThatStarfileReads() throws {
    let groups = try STARFile.read(path: SharedData.path + "/star/relion31.6opticsgroups.star")
    let table = try #require(groups.table("particles"))
    #expect(abs(try table.doubles("rlnDefocusU").reduce(0, +) - 1237145.682973) < 1e-5)
    #expect(abs(try table.doubles("rlnDefocusV").reduce(0, +) - 1157029.729347) < 1e-5)
    #expect(try table.ints("rlnOpticsGroup").reduce(0, +) == 423)
    #expect(
      try table.string("rlnImageName", row: 138)
        == "183@Polish/job203/Micrographs2/b4_0591_shiny.mrcs")
    let optimiser = try STARFile.read(path: SharedData.path + "/star/run_it025_optimiser_2D.star")
    #expect(
      try optimiser.tables[0].string("rlnModelStarFile", row: 0)
        == "Class2D/job006/run_it025_model.star")
    #expect(try optimiser.tables[0].double("rlnBestResolutionThusFar", row: 0) == 0.088277)
  }
}
