import Foundation
import TestSupport
import Testing

extension CommandTests {
  @Suite struct BadInputTests {
    /// A refusal: one message of the right content, at once, and nothing left in the output folder.
    private func expectRefusal(
      _ run: Command, _ folder: TemporaryFolder, containing expected: [String],
      _ location: SourceLocation = #_sourceLocation
    ) {
      #expect(run.status != 0, "\(run.text)", sourceLocation: location)
      #expect(run.errors.count == 1, "\(run.text)", sourceLocation: location)
      for text in expected {
        #expect(run.errors.first?.contains(text) == true, "\(run.text)", sourceLocation: location)
      }
      // 5 s, and room for a machine that has other work.
      #expect(run.seconds < 20, "\(run.text)", sourceLocation: location)
      #expect(folder.names(in: "run") == [], sourceLocation: location)
    }

    /// Otherwise the refusals below could have another cause.
    @Test(arguments: [1, 3]) func theUndamagedSetIsAccepted(ranks: Int) throws {
      let folder = try DamagedSet.make()
      let run = try DamagedSet.average(folder, ranks: ranks)
      #expect(run.status == 0 && run.errors == [], "\(run.text)")
      #expect(folder.names(in: "run") == RunOutput.fileNames)
    }

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

    @Test(arguments: damages, [nil, 3]) func isRefused(damage: Damage, ranks: Int?) throws {
      let folder = try DamagedSet.make(damage)
      let run = try DamagedSet.average(folder, damage.options, ranks: ranks)
      expectRefusal(run, folder, containing: damage.expected)
    }

    @Test func moreProcessesThanImages() throws {
      let folder = try DamagedSet.make()
      let star = try folder.text("set/particles.star").split(
        separator: "\n", omittingEmptySubsequences: false)
      let two = star.prefix(DamagedSet.firstLine + 1).joined(separator: "\n") + "\n"
      try folder.write(two, to: "set/particles.star")
      let run = try DamagedSet.average(
        folder, ["--neighbours", "1", "--suspects", "1"], ranks: 3)
      expectRefusal(run, folder, containing: ["3 ranks for 2 images"])
    }

    @Test(arguments: [1, 2]) func aFolderThatHoldsARun(ranks: Int) throws {
      let folder = try DamagedSet.make()
      #expect(try DamagedSet.average(folder, ranks: nil).status == 0)
      let before = try folder.data("run/run.json")
      let refused = try DamagedSet.average(folder, ranks: ranks)
      #expect(refused.status != 0 && refused.errors.count == 1, "\(refused.text)")
      #expect(refused.errors.first?.contains("holds a run already") == true, "\(refused.text)")
      #expect(refused.errors.first?.contains("--overwrite") == true, "\(refused.text)")
      let after = try folder.data("run/run.json")
      #expect(after == before)
      let replaced = try DamagedSet.average(
        folder, ["--overwrite", "--averages", "2"], ranks: ranks)
      #expect(replaced.status == 0, "\(replaced.text)")
      let options = try RunOutput.record(folder, "run")["options"] as? [String: Any]
      #expect(options?["averages"] as? Int == 2)
    }

    /// A run that is replaced leaves no file beside the new one's.
    @Test func replacedWithFewerFiles() throws {
      let folder = try DamagedSet.make()
      #expect(try DamagedSet.average(folder, ranks: nil).status == 0)
      let short = try DamagedSet.average(folder, ["--overwrite", "--averages", "0"], ranks: nil)
      #expect(short.status == 0, "\(short.text)")
      #expect(
        folder.names(in: "run")
          == RunOutput.fileNames.filter { !$0.hasPrefix("averages") })
      let denoise = ["denoise", folder.file("set/particles.star"), "--output", folder.file("run")]
      #expect(try Command.run(denoise).status != 0)
      #expect(try Command.run(denoise + ["--overwrite"]).status == 0)
      #expect(
        folder.names(in: "run") == [
          "denoised.mrcs", "denoised.star", "eigenimages.mrcs", "mean.mrc", "run.json",
        ])
    }

    /// The other ranks wait in a collective for the one that fails.
    @Test(arguments: ["0:model", "2:model", "0:averages", "1:averages"])
    func oneRankFails(fault: String) throws {
      let folder = try DamagedSet.make()
      let run = try DamagedSet.average(folder, ranks: 3, environment: ["KINDRED_FAULT": fault])
      #expect(run.status != 0 && run.errors.count == 1, "\(run.text)")
      #expect(run.errors.first?.contains("(rank \(fault.first!) of 3 on ") == true, "\(run.text)")
      #expect(run.seconds < 20, "\(run.text)")
      // Not even the temporary files of the ranks that MPI ends; what the run had found stays.
      let left = fault.hasSuffix("averages") ? ["checkpoints"] : []
      #expect(folder.names(in: "run") == left, "\(run.text)")
    }

    /// A disk that is full at once, in the middle, and only when the files are finished.
    @Test(
      .enabled(if: FullDisk.canMount, "needs root and the right to mount a tmpfs"),
      arguments: [8, 40, 84], [1, 2])
    func aFullDisk(kilobytes: Int, ranks: Int) throws {
      let folder = try DamagedSet.make()
      try FullDisk.mount(folder.file("run"), kilobytes: kilobytes)
      defer { FullDisk.unmount(folder.file("run")) }
      let run = try DamagedSet.average(folder, ranks: ranks)
      #expect(run.status != 0 && run.errors.count == 1, "\(run.text)")
      #expect(run.errors.first?.contains("No space left on device") == true, "\(run.text)")
      #expect(run.errors.first?.contains(folder.file("run/")) == true, "\(run.text)")
      #expect(run.seconds < 20, "\(run.text)")
      #expect(folder.names(in: "run").allSatisfy { $0 == "checkpoints" }, "\(run.text)")
    }
  }
}

/// A small file system in memory.
enum FullDisk {
  static let canMount: Bool = {
    guard getuid() == 0, let folder = try? TemporaryFolder(),
      (try? mount(folder.path, kilobytes: 64)) != nil
    else { return false }
    unmount(folder.path)
    return true
  }()

  static func mount(_ path: String, kilobytes: Int) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let run = try Command.runProgram([
      "mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", path,
    ])
    if run.status != 0 { throw SmallSet.Failure(text: run.text) }
  }

  static func unmount(_ path: String) { _ = try? Command.runProgram(["umount", path]) }
}
