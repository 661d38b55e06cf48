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

    /// One of each place that finds a mistake: the first rank as it reads, the last rank's images, all images together,
    /// and the options. `RefusalRanks` tries all of them.
    @Test(
      arguments: ["missing STAR file", "infinity", "nothing usable", "K >= n"], [nil, 3])
    func isRefused(damage: String, ranks: Int?) throws {
      let damage = try #require(DamagedSet.damages.first { $0.testDescription == damage })
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
