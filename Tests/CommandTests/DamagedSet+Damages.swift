import Foundation
import TestSupport

extension DamagedSet {
  static let damages: [Damage] = [
    Damage("missing STAR file", expected: "set/particles.star: cannot be opened") {
      try FileManager.default.removeItem(atPath: $0.file("set/particles.star"))
    },
    Damage("missing stack", expected: "particles.star:30:", "rlnImageName", "particle 1 ") {
      try FileManager.default.removeItem(atPath: $0.file("set/particles.mrcs"))
    },
    Damage("short stack", expected: "particles.mrcs: is cut short", "29 whole sections", "30") {
      $0.removeLast(12)
    },
    Damage(
      "index beyond the stack", star: "000004@", "000031@", expected: "particles.star:33:",
      "particle 4 ", "image 31 of ", "which holds 30"),
    Damage("unknown mode", expected: "particles.mrcs: ", "mode 7; 0, 1, 2, 6 or 12 expected") {
      $0.setWord(12, 7)
    },
    Damage("zero size", expected: "particles.mrcs: ", "0 x 16 x 30 pixels; positive sizes") {
      $0.setWord(0, 0)
    },
    Damage("not square", expected: "particles.mrcs: ", "8 x 16; square ones expected") {
      $0.setWord(0, 8)
    },
    Damage("stacks of different sizes", expected: "other.mrcs", "8 x 8", "16 x 16") { folder in
      var other = try folder.data("set/particles.mrcs")
      for offset in [0, 4, 28, 32] { other.setWord(offset, 8) }
      try folder.write(other, to: "set/other.mrcs")
      let star = try folder.text("set/particles.star")
      try folder.write(
        star.replacingOccurrences(of: "000009@particles", with: "000009@other"),
        to: "set/particles.star")
    },
    Damage(
      "no defocus column", star: "_rlnDefocusU", "_rlnOther", expected: "particles.star:",
      "lacks rlnDefocusU", "--no-ctf"),
    Damage(
      "no voltage column", star: "_rlnVoltage", "_rlnOther", expected: "particles.star:",
      "lacks rlnVoltage", "--no-ctf"),
    Damage(
      "not a number", star: "11578.947368 11578.947368", "11578.947368 stray",
      expected: "particles.star:31:", "column rlnDefocusV: found \"stray\", a number expected"),
    Damage(
      "missing cell", star: "14736.842105 14736.842105     0.000000    40.000000",
      "14736.842105 14736.842105     0.000000", expected: "particles.star:33:",
      "column rlnCtfBfactor: missing"),
    Damage(
      "unknown optics group", star: "000004@particles.mrcs            1",
      "000004@particles.mrcs            5", expected: "particles.star:33:", "particle 4 ",
      "optics group 5"),
    Damage(
      "duplicate optics group", star: "\n\n\n# version 30001\n\ndata_particles",
      "\n1 again 0.1 2.7 300 10 10 16 2\n\n\n# version 30001\n\ndata_particles",
      expected: "particles.star:17:", "optics group 1 occurs twice", "line 16"),
    Damage(
      "two tables", star: "data_particles\n",
      "data_more\n_rlnImageName 1@a.mrcs\ndata_particles\n",
      expected: "particles.star", "2 tables have particles, one is needed"),
    Damage(
      "NaN", options: ["--strict"], expected: "particles.star:46:", "particle 17 ",
      "NaN or infinite", "2 of 30 particles"
    ) {
      $0.setPixels(image: 16, 40..<41, to: .nan)
      $0.setPixels(image: 28, 0..<256, to: 1)
    },
    Damage(
      "infinity", options: ["--strict"], expected: "particles.star:59:", "particle 30 ",
      "NaN or infinite"
    ) { $0.setPixels(image: 29, 255..<256, to: -.infinity) },
    Damage(
      "constant", options: ["--strict"], expected: "particles.star:30:", "particle 1 ",
      "all pixels are equal"
    ) { $0.setPixels(image: 0, 0..<256, to: 3) },
    Damage("nothing usable", expected: "particles.star: none of the 30 images is usable") {
      for image in 0..<30 { $0.setPixels(image: image, 0..<256, to: 0) }
    },
    Damage(
      "S < K", options: ["--neighbours", "5", "--suspects", "4"], expected: "--suspects is 4",
      "5 neighbours"),
    Damage(
      "K >= n", options: ["--neighbours", "30", "--suspects", "40"],
      expected:
        "--neighbours is 30", "30 images", "29 others"),
  ]
}
