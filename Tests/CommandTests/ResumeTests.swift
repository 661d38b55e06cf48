import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Runs that end early, in any way, and go on give what one run gives.
  @Suite(.tags(.long)) struct ResumeTests {
    private static let tables = ["neighbours", "affinity", "rotation", "reflected"]
    private static let stopped: Int32 = 75
    /// A stop in the first pass: each rank compares its images among themselves first, whatever its share of the
    /// rest, so that both have saved a part of it.
    private static let inThePass = "0:USR1:1:all pairs"

    /// Where one stop is enough to try; it takes more blocks of work to be stopped again and again.
    private static let fewImages = 120
    /// Three passes with few averages.
    private static let options = [
      "--neighbours", "5", "--averages", "3", "--passes", "3", "--checkpoint-minutes", "0",
    ]

    private func run(
      _ folder: TemporaryFolder, _ output: String, _ options: [String] = [], ranks: Int,
      fault: String? = nil
    ) throws -> Command {
      try Command.run(
        ["average", folder.file("set/particles.star"), "--output", folder.file(output)]
          + Self.options + options, ranks: ranks,
        environment: fault.map { ["KINDRED_FAULT": $0] } ?? [:])
    }

    /// A run that is not stopped, to compare with.
    private func runWhole(_ folder: TemporaryFolder, _ options: [String] = []) throws {
      try Command.averageOnce(folder, to: "whole", Self.options + options, ranks: 2)
    }

    private func expectSame(
      _ folder: TemporaryFolder, _ output: String, _ reference: String,
      _ tables: [String] = Self.tables, _ location: SourceLocation = #_sourceLocation
    ) throws {
      for name in tables {
        let same =
          try folder.data("\(output)/\(name).npy") == folder.data("\(reference)/\(name).npy")
        #expect(same, "\(name) differs", sourceLocation: location)
      }
      #expect(!folder.names(in: output).contains("checkpoints"), sourceLocation: location)
    }

    /// The run is stopped at its Nth question whether to stop, again and again, each time on other ranks.
    @Test(arguments: ["USR1", "KILL"]) func anyNumberOfRanks(signal: String) throws {
      let folder = try SmallSet.make()
      try runWhole(folder)
      var messages = ""
      var isDone = false
      for (at, ranks) in [1, 3, 2, 2, 3, 1, 2, 3, 1, 2].enumerated() where !isDone {
        let fault = "\(ranks - 1):\(signal):\([21, 17, 8, 7, 6, 9, 11, 6, 9, 8][at])"
        let part = try run(folder, "parts", ["--resume"], ranks: ranks, fault: fault)
        messages += part.messages
        isDone = part.status == 0
        if !isDone && signal == "USR1" {
          #expect(part.status == Self.stopped, "\(fault): \(part.text)")
          #expect(part.messages.contains("--resume continues the run"), "\(part.text)")
        }
        #expect(part.errors == [], "\(part.text)")
      }
      if !isDone {
        let last = try run(folder, "parts", ["--resume", "--threads", "2"], ranks: 2)
        #expect(last.status == 0, "\(last.text)")
        messages += last.messages
      }
      #expect(messages.contains("resuming with the model of 300 images"), "\(messages)")
      #expect(messages.contains("resuming in pass"), "\(messages)")
      #expect(messages.contains("resuming after pass"), "\(messages)")
      #expect(!messages.contains("not used"), "\(messages)")
      try expectSame(folder, "parts", "whole")
    }

    /// SIGTERM may come too late for anything but the last checkpoint; nothing may be the worse for it.
    @Test func terminated() throws {
      let folder = try SmallSet.make()
      try runWhole(folder)
      let part = try run(folder, "parts", ranks: 2, fault: "1:TERM:20")
      #expect(part.status != 0)
      #expect(folder.names(in: "parts") == ["checkpoints"])
      let rest = try run(folder, "parts", ["--resume"], ranks: 2)
      #expect(rest.status == 0 && !rest.messages.contains("not used"), "\(rest.text)")
      try expectSame(folder, "parts", "whole")
    }

    @Test func theTimeIsUp() throws {
      let folder = try SmallSet.make(images: Self.fewImages)
      let part = try run(folder, "parts", ["--max-hours", "0"], ranks: 2)
      #expect(part.status == Self.stopped, "\(part.text)")
      #expect(part.messages.contains("stopped (--max-hours 0"), "\(part.text)")
      #expect(part.errors == [])
    }

    /// A search by reference classes goes on from each of its stages, by signals one after the other: at the Nth question
    /// of a stage. There are no probabilities.
    @Test func landmarks() throws {
      let messages = try stopped(
        in: [
          ("references/all pairs", 1), ("reference classes", 1), ("reference classes", 3),
          ("reference classes", 3),
          ("candidates", 1), ("candidates", 2), ("pass 2", 1), ("pass 2", 2), ("pass 3", 1),
          ("co-assignment", 1), ("co-assignment", 3), ("volume", 4), ("projections", 1),
          ("projections", 2),
        ], by: ["--search", "landmarks", "--landmarks", "80"])
      for place in [
        "with the reference classes of the sample",
        "in the comparison with the reference classes of the sample",
        "in the comparison with the reference classes after refinement 2", "after pass 1",
        "after pass 2",
        "in round 1 of co-assignment", "after round 1 of co-assignment", "with the volume",
        "in the comparison with projections",
      ] { #expect(messages.contains("resuming \(place)"), "\(messages)") }
    }

    /// So does the one among simulated images that tells the probabilities.
    @Test func calibrationByLandmarks() throws {
      let calibration = [
        ("images", 1), ("references/all pairs", 1), ("reference classes", 2),
        ("reference classes", 3),
        ("candidates", 1), ("pass 2", 1), ("pass 2", 2), ("pass 3", 2),
      ]
      let messages = try stopped(
        in: calibration.map { ("calibration/\($0.0)", $0.1) },
        by: ["--search", "landmarks", "--landmarks", "80", "--probabilities", "simulation"],
        tables: Self.tables + ["probability"])
      for place in [
        "with the reference classes of the sample", "with the reference classes after refinement 1",
        "in the comparison with the reference classes after refinement 1", "after pass 1",
        "after pass 2",
        "after pass 3",
      ] { #expect(messages.contains("calibration: resuming \(place)"), "\(messages)") }
      #expect(messages.contains("kindred: resuming after pass 3"), "\(messages)")
    }

    /// Stops runs on 2, 1 and 3 ranks by turns, each at one question of a stage by its last rank, and compares the
    /// last one, which goes to its end, with a run that is not stopped. Returns what all have said.
    private func stopped(
      in places: [(stage: String, poll: Int)], by options: [String],
      tables: [String] = Self.tables
    ) throws -> String {
      let folder = try SmallSet.make()
      try runWhole(folder, options)
      var messages = ""
      for (at, place) in places.enumerated() {
        let ranks = [2, 1, 3][at % 3]
        let fault = "\(ranks - 1):USR1:\(place.poll):\(place.stage)"
        let part = try run(folder, "parts", options + ["--resume"], ranks: ranks, fault: fault)
        messages += part.messages
        #expect(part.status == Self.stopped && part.errors == [], "\(fault): \(part.text)")
      }
      let last = try run(folder, "parts", options + ["--resume"], ranks: 2)
      messages += last.messages
      #expect(last.status == 0 && !messages.contains("not used"), "\(messages)")
      try expectSame(folder, "parts", "whole", tables)
      return messages
    }

    /// Searches that leave no checkpoint within stages end at once, and start again from the model.
    @Test func otherSearches() throws {
      let search = ["--search", "rir", "--passes", "1"]
      let folder = try SmallSet.make(images: Self.fewImages)
      try runWhole(folder, search)
      let part = try run(folder, "parts", search, ranks: 2, fault: "1:USR1:11")
      #expect(part.status == Self.stopped, "\(part.text)")
      let rest = try run(folder, "parts", search + ["--resume"], ranks: 2)
      #expect(rest.messages.contains("resuming with the model"), "\(rest.text)")
      try expectSame(folder, "parts", "whole")
    }

    /// The neighbours outlive a run that fails among its averages.
    @Test func afterTheNeighbours() throws {
      let folder = try SmallSet.make(images: Self.fewImages)
      try runWhole(folder)
      #expect(try run(folder, "parts", ranks: 2, fault: "0:averages").status != 0)
      #expect(folder.names(in: "parts") == ["checkpoints"])
      let rest = try run(folder, "parts", ["--resume"], ranks: 3)
      #expect(rest.messages.contains("resuming with all neighbours"), "\(rest.text)")
      try expectSame(folder, "parts", "whole")
      let passes = try RunOutput.record(folder, "parts")["passes"] as? [[String: Any]]
      #expect(passes?.compactMap { $0["pass"] as? Int } == [2, 3])
    }

    /// Damaged, shortened and foreign checkpoints are named, and the run is right without them.
    @Test func damagedCheckpoints() throws {
      let folder = try SmallSet.make(images: Self.fewImages)
      try runWhole(folder)
      let left = try run(folder, "left", ranks: 2, fault: Self.inThePass)
      #expect(left.status == Self.stopped, "\(left.text)")
      let names = folder.names(in: "left/checkpoints")
      for prefix in ["model", "statistics-0", "pass-1-rank-1"] {
        let damaged = try #require(names.first { $0.hasPrefix(prefix) }, "\(names)")
        for isShort in [false, true] {
          try? FileManager.default.removeItem(atPath: folder.file("parts"))
          try FileManager.default.copyItem(
            atPath: folder.file("left"), toPath: folder.file("parts"))
          let name = "parts/checkpoints/\(damaged)"
          var content = try folder.data(name)
          if isShort { content.removeLast(40) } else { content[content.count * 2 / 3] ^= 16 }
          try folder.write(content, to: name)
          let rest = try run(folder, "parts", ["--resume"], ranks: 2)
          let reason = isShort ? "is cut short" : "is corrupt"
          let isNamed = rest.messages.split(separator: "\n").contains {
            $0.contains("not used: \(folder.file(name)): \(reason)")
          }
          #expect(rest.status == 0 && isNamed, "\(rest.text)")
          try expectSame(folder, "parts", "whole")
        }
      }
    }

    @Test func foreignCheckpoints() throws {
      let folder = try SmallSet.make(images: Self.fewImages)
      #expect(try run(folder, "parts", ranks: 2, fault: Self.inThePass).status == Self.stopped)
      // An option of the search leaves the model as it was.
      let options = ["--affinity", "mahalanobis", "--passes", "1"]
      try runWhole(folder, options)
      let rest = try run(folder, "parts", options + ["--resume"], ranks: 2)
      #expect(rest.messages.contains("resuming with the model"), "\(rest.text)")
      #expect(
        rest.messages.contains("is of another run: affinity was bayes, now it is mahalanobis"),
        "\(rest.text)")
      try expectSame(folder, "parts", "whole")

      #expect(try run(folder, "other", ranks: 2, fault: Self.inThePass).status == Self.stopped)
      let star = try folder.text("set/particles.star")
      try folder.write(star + "\n", to: "set/particles.star")
      let again = try run(folder, "other", ["--resume"], ranks: 2)
      #expect(again.status == 0 && again.messages.contains("is of another run: STAR file was"))
    }

    /// A run that is complete is left as it is, to the last byte and time, and the exit status is 0.
    @Test func completeRuns() throws {
      let folder = try SmallSet.make(images: Self.fewImages)
      #expect(try run(folder, "whole", ranks: 2).status == 0)
      func state() -> [String] {
        folder.names(in: "whole").map {
          var status = stat()
          #expect(stat(folder.file("whole/\($0)"), &status) == 0)
          return "\($0) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) \(status.st_ino)"
        }
      }
      let before = state()
      let again = try run(folder, "whole", ["--resume", "--threads", "2"], ranks: 3)
      let line = "kindred: the run in \(folder.file("whole")) is complete: nothing is left to do\n"
      #expect(again.status == 0 && again.output == "" && again.messages == line, "\(again.text)")
      for (options, difference) in [
        (["--seed", "2"], "seed was 1, now it is 2"),
        (["--averages", "4"], "averages was 3, now it is 4"),
        (["--no-ctf"], "CTF was as given, now it is none"),
      ] {
        let refused = try run(folder, "whole", ["--resume"] + options, ranks: 2)
        #expect(refused.status == 1 && refused.errors.count == 1, "\(refused.text)")
        let text = "\(folder.file("whole")): holds a complete run that is another one: "
        #expect(refused.errors.first?.contains(text) == true, "\(refused.text)")
        #expect(refused.errors.first?.contains(difference) == true, "\(refused.text)")
      }
      #expect(state() == before)

      let denoised = try Command.run([
        "denoise", folder.file("set/particles.star"), "--output", folder.file("denoised"),
      ])
      #expect(denoised.status == 0, "\(denoised.text)")
      let other = try run(folder, "denoised", ["--resume"], ranks: 1)
      #expect(other.status == 1, "\(other.text)")
      #expect(other.errors.first?.contains("does not tell what it was made of") == true)

      let afresh = try run(folder, "whole", ["--resume", "--overwrite"], ranks: 1)
      #expect(afresh.status == 0, "\(afresh.text)")
      #expect(state() != before)
    }

    /// Nobody's work is lost by a missing word.
    @Test func withoutResume() throws {
      let folder = try SmallSet.make(images: Self.fewImages)
      let nothing = try run(folder, "parts", ["--resume"], ranks: 1, fault: Self.inThePass)
      #expect(nothing.messages.contains("starting from the beginning"), "\(nothing.text)")
      let refused = try run(folder, "parts", ranks: 1)
      #expect(refused.status == 1 && refused.errors.count == 1, "\(refused.text)")
      #expect(refused.errors.first?.contains("--resume goes on from them") == true)
      #expect(folder.names(in: "parts/checkpoints").contains("model"))
      let afresh = try run(folder, "parts", ["--overwrite"], ranks: 1)
      #expect(afresh.status == 0 && !afresh.messages.contains("resuming"), "\(afresh.text)")
      #expect(!folder.names(in: "parts").contains("checkpoints"))
    }
  }
}
