import Foundation
import ParticleIO
import TestSupport
import Testing

/// One thing that is wrong with a data set, and what the user must read about it.
struct Mistake: CustomTestStringConvertible, Sendable {
  let testDescription: String
  /// The text replaced in `RELION31.star`, and its replacement.
  let replace: (String, String)
  /// Every one of these must occur in the message.
  let expected: [String]

  init(_ name: String, _ old: String, _ new: String, _ expected: String...) {
    testDescription = name
    replace = (old, new)
    self.expected = expected
  }
}

@Suite struct BadParticlesTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func refusal(_ star: String = RELION31.star) throws -> String {
    let path = try RELION31.write(to: folder, star: star)
    return message { _ = try ParticleSet.read(starFile: path, ctf: .required) }
  }

  @Test(arguments: [
    Mistake(
      "missing stack", "1@b.mrc 2 90", "1@c.mrcs 2 90",
      ":33: column rlnImageName: particle 3 (counted from 1): the stack is not there; looked for ",
      "/c.mrcs and c.mrcs"),
    Mistake(
      "index beyond the stack", "4@b.mrc", "50@b.mrc",
      ":35: column rlnImageName: particle 5 (counted from 1): image 50 of ", "/b.mrc, which holds 4"
    ),
    Mistake(
      "index 0", "4@b.mrc", "0@b.mrc", ":35: column rlnImageName: particle 5", "counted from 1"),
    Mistake(
      "no index", "4@b.mrc", "b.mrc", ":35: column rlnImageName: particle 5", "found \"b.mrc\""),
    Mistake("no stack", "4@b.mrc", "4@", ":35: column rlnImageName", "found \"4@\""),
    Mistake("no number", "4@b.mrc", "4x@b.mrc", ":35: column rlnImageName", "found \"4x@b.mrc\""),
    Mistake("huge index", "4@b.mrc", "99999999999999999999@b.mrc", ":35: column rlnImageName"),
    Mistake(
      "text for a number", "10002 11002", "10002 stray",
      ":34: column rlnDefocusV: found \"stray\", a number expected"),
    Mistake(
      "missing cell", "4@b.mrc 2 0 0 1", "4@b.mrc 2 0 0", ":35: column rlnCtfScalefactor: missing"),
    Mistake("a cell too many", "4@b.mrc 2 0 0 1", "4@b.mrc 2 0 0 1 1", ":35: the row has 9 values"),
    Mistake(
      "unknown group", "1@b.mrc 2", "1@b.mrc 5",
      ":33: column rlnOpticsGroup: particle 3 (counted from 1): optics group 5 is not in data_optics, which has 1, 2"
    ),
    Mistake(
      "duplicate group", "2 second", "1 second",
      ":15: column rlnOpticsGroup: optics group 1 occurs twice, first on line 14"),
    Mistake(
      "pixel sizes", "200 1.5 8", "200 1.6 8",
      ":15: optics group 2 (second) has pixels of 1.6 A, group 1 (first) of 1.5 A"),
    Mistake(
      "pixel size 0", "200 1.5 8", "200 0 8",
      ":15: column rlnImagePixelSize: found 0.0, a number above 0"),
    Mistake("voltage 0", "200 1.5 8", "0 1.5 8", ":15: column rlnVoltage: found 0.0"),
    Mistake(
      "amplitude contrast", "2 second 0.07", "2 second 7",
      ":15: column rlnAmplitudeContrast: found 7.0, 0 to 1"),
    Mistake(
      "box size", "200 1.5 8", "200 1.5 16",
      ":15: column rlnImageSize: optics group 2 says 16 pixels", "are 8 x 8"),
    Mistake(
      "no defocus", "_rlnDefocusV #2", "_rlnOther #2",
      ":20: table data_particles lacks rlnDefocusV, which the CTF needs"),
    Mistake(
      "no defocus angle", "_rlnDefocusAngle #3", "_rlnOther #3", "lacks rlnDefocusAngle"),
    Mistake(
      "no voltage", "_rlnVoltage #5", "_rlnOther #5", ":4: table data_optics lacks rlnVoltage"),
    Mistake(
      "no pixel size", "_rlnImagePixelSize #6", "_rlnOther #6",
      ":4: column rlnImagePixelSize: missing in table data_optics"),
    Mistake(
      "no group column", "_rlnOpticsGroup #5", "_rlnOther #5", ":20: column rlnOpticsGroup: missing"
    ),
    Mistake(
      "no images", "_rlnImageName #4", "_rlnOther #4", "no table has the column rlnImageName"),
    Mistake(
      "two particle tables", "data_optics\n", "data_x\n_rlnImageName 1@a.mrcs\ndata_optics\n",
      "2 tables have particles, one is needed: data_x (line 4), data_particles (line 22)"),
    Mistake(
      "two optics tables", "data_particles\n", "data_optics\n_rlnOpticsGroup 1\ndata_particles\n",
      ":20: a second data_optics; the first is on line 4"),
    Mistake(
      "optics table gone", "data_optics\n", "data_other\n",
      "lacks rlnVoltage, rlnSphericalAberration, rlnAmplitudeContrast", "there is no data_optics"),
  ]) func mistakesInTheSTARFile(mistake: Mistake) throws {
    let star = RELION31.star.replacingOccurrences(of: mistake.replace.0, with: mistake.replace.1)
    #expect(star != RELION31.star)
    let text = try refusal(star)
    for expected in mistake.expected { #expect(text.contains(expected), "\(text)") }
    #expect(text.hasPrefix(folder.file("particles.star")))
  }

  @Test func theUnchangedFileIsAccepted() throws { #expect(try refusal() == "no error") }

  @Test func emptyTables() throws {
    let header = RELION31.star.components(separatedBy: "10000 11000")[0]
    #expect(try refusal(header).hasSuffix(":20: data_particles has no rows"))
    let noOptics = RELION31.star.replacingOccurrences(
      of: "1 first 0.1 2.7 300 1.5 8\n2 second 0.07 2.0 200 1.5 8\n", with: "")
    #expect(try refusal(noOptics).hasSuffix(":4: data_optics has no rows"))
    #expect(try refusal("").contains("holds no table"))
  }

  @Test func missingSTARFile() {
    let path = folder.file("none.star")
    #expect(
      message { _ = try ParticleSet.read(starFile: path, ctf: .ignored) }
        == "\(path): cannot be opened: No such file or directory")
  }

  @Test func badStacks() throws {
    let star = try RELION31.write(to: folder)
    func refusal(_ mrc: HandmadeMRC) throws -> String {
      try folder.write(mrc.file, to: "b.mrc")
      return message { _ = try ParticleSet.read(starFile: star, ctf: .required) }
    }
    #expect(
      try refusal(.ramp(box: 6))
        == "\(folder.file("b.mrc")): its images are 6 x 6, those of \(folder.file("a.mrcs")) "
        + "are 8 x 8; one size expected")
    var mrc = HandmadeMRC.ramp()
    mrc.width = 4
    #expect(try refusal(mrc).hasSuffix("b.mrc: its images are 4 x 8; square ones expected"))
    mrc = .ramp()
    mrc.data.removeLast(300)
    #expect(try refusal(mrc).contains("b.mrc: is cut short"))
    mrc = .ramp()
    mrc.mode = 4
    #expect(try refusal(mrc).contains("b.mrc: its MRC header says mode 4"))
  }

  @Test func aStackThatChangesAfterTheCheckIsNoticed() throws {
    let set = try ParticleSet.read(starFile: RELION31.write(to: folder), ctf: .required)
    try folder.write(HandmadeMRC.ramp(sections: 2).file, to: "b.mrc")
    var pixels = [Float](repeating: 0, count: 5 * 64)
    let text = message {
      try pixels.withUnsafeMutableBufferPointer { try set.readImages(0..<5, into: $0) }
    }
    #expect(text.contains(":35: particle 5 (counted from 1): image 4 of "))
    #expect(text.contains("2 sections of 8 x 8"))
  }
}
