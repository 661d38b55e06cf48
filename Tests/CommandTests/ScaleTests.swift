import Foundation
import TestSupport
import Testing

extension CommandTests {
  @Suite struct ScaleTests {
    private static let launcher =
      "mpirun -n {ranks} --allow-run-as-root --oversubscribe --bind-to none "
      + "--mca mpi_yield_when_idle 1 {kindred}"

    @Test func simulatesRunsAndCollects() throws {
      let folder = try TemporaryFolder()
      let arguments = [
        "scale", "--output", folder.file("scaling"), "--ranks", "2,1", "--images", "300",
        "--simulate", "--box 33 --pixel-size 5.64 --snr 1/5", "--launcher", Self.launcher, "--",
        "--neighbours", "5", "--passes", "2",
      ]
      let run = try Command.run(arguments)
      #expect(run.status == 0, "\(run.text)")
      for ranks in [1, 2] {
        let record = try RunOutput.record(folder, "scaling/ranks-000\(ranks)")
        #expect(record["ranks"] as? Int == ranks && record["images_used"] as? Int == 300)
        let stages = try #require(record["stages"] as? [[String: Any]])
        for stage in stages {
          #expect((stage["rank_processor_seconds"] as? [Any])?.count == ranks)
        }
        // Ranks on one do not talk to others; on two they do.
        let bytes = stages.compactMap { $0["message_bytes"] as? Int }.reduce(0, +)
        #expect(ranks == 1 ? bytes == 0 : bytes > 100_000)
      }
      let json = try #require(
        try JSONSerialization.jsonObject(with: folder.data("scaling/scaling.json"))
          as? [String: Any])
      let runs = try #require(json["runs"] as? [[String: Any]])
      #expect(runs.compactMap { $0["ranks"] as? Int } == [1, 2])
      #expect(json["kind"] as? String == "strong" && runs[0]["speed_up"] as? Double == 1)
      let times = runs.compactMap { $0["seconds"] as? Double }
      let speedUp = try #require(runs[1]["speed_up"] as? Double)
      #expect(abs(speedUp - times[0] / times[1]) < 1e-12)
      #expect(try folder.text("scaling/scaling.svg").hasSuffix("</svg>\n"))
      #expect(run.output.contains("Strong scaling"))

      // Again, with a second run on each number of ranks: what is complete is kept.
      let repeated = try Command.run(
        Array(arguments[..<5]) + ["--repeats", "2"] + Array(arguments[5...]))
      #expect(repeated.status == 0 && repeated.messages.contains("ranks-0001 is complete"))
      #expect(try folder.text("scaling/scaling.csv").contains("largest_seconds"))
      let second = try RunOutput.record(folder, "scaling/ranks-0002-repeat-2")
      let first = try RunOutput.record(folder, "scaling/ranks-0002")
      let lengths = [first, second].compactMap { $0["seconds"] as? Double }
      let both = try #require(
        try JSONSerialization.jsonObject(with: folder.data("scaling/scaling.json"))
          as? [String: Any])
      let entry = try #require((both["runs"] as? [[String: Any]])?.last)
      #expect(entry["ranks"] as? Int == 2 && entry["runs"] as? Int == 2)
      #expect(entry["seconds"] as? Double == lengths.min())
      #expect(entry["largest_seconds"] as? Double == lengths.max())

      // The figures come out the same when only collected.
      let csv = try folder.text("scaling/scaling.csv")
      let collected = try Command.run(["scale", "--collect", folder.file("scaling")])
      #expect(collected.status == 0, "\(collected.text)")
      #expect(try folder.text("scaling/scaling.csv") == csv)
    }

    @Test func mistakesAreRefused() throws {
      let folder = try TemporaryFolder()
      for (arguments, message) in [
        (["--collect", folder.path], "no run in it"),
        (["--output", folder.file("a"), "--ranks", "1,x"], "--ranks is '1,x'"),
        (["--output", folder.file("a"), "--launcher", "no-such-program"], "failed with status"),
      ] {
        let run = try Command.run(["scale"] + arguments)
        #expect(run.status != 0 && run.errors.count == 1, "\(run.text)")
        #expect(run.errors.first?.contains(message) == true, "\(run.text)")
      }
    }
  }

  @Suite struct PlanTests {
    @Test func measuresTheMachineAndPlansWithIt() throws {
      let folder = try TemporaryFolder()
      let machine = folder.file("machine.json")
      let run = try Command.run(
        [
          "plan", "--calibrate", "--calibration-images", "600", "--scratch", folder.path,
          "--machine", machine,
        ], ranks: 2)
      #expect(run.status == 0 && run.errors.isEmpty, "\(run.text)")
      let constants = try #require(
        try JSONSerialization.jsonObject(with: folder.data("machine.json")) as? [String: Any])
      let rates = constants.compactMap { ($0.value as? NSNumber)?.doubleValue }
      #expect(rates.count == 19 && rates.allSatisfy { $0 > 0 && $0.isFinite })
      // The images are gone.
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["machine.json"])

      let planned = try Command.run([
        "plan", "--machine", machine, "--images", "20000", "--box", "65", "--ranks", "8",
        "--passes", "2", "--cores-per-node", "8", "--memory-per-node", "16", "--json",
      ])
      #expect(planned.status == 0, "\(planned.text)")
      let plan = try #require(
        try JSONSerialization.jsonObject(with: Data(planned.output.utf8)) as? [String: Any])
      let stages = try #require(plan["stages"] as? [[String: Any]])
      let seconds = stages.compactMap { $0["seconds"] as? Double }.reduce(0, +)
      #expect(abs(try #require(plan["seconds"] as? Double) - seconds) < 1e-9 * seconds)
      #expect(stages.count { ($0["name"] as? String)?.hasPrefix("pass ") == true } == 1)
      #expect(plan["rounds"] as? Int == 2)
      #expect((plan["best"] as? [String: Any])?["ranks"] as? Int != nil)
      #expect((plan["constants"] as? String)?.contains("2 ranks of 1 threads") == true)
    }

    /// The stages of the plan are those of a run, in its order, all but the smallest.
    @Test func followsARun() throws {
      let folder = try SmallSet.make()
      let run = try average(folder, to: "run", ["--passes", "2"], suspects: nil)
      #expect(run.status == 0, "\(run.text)")
      let planned = try Command.run(["plan", "--like", folder.file("run"), "--json"])
      #expect(planned.status == 0, "\(planned.text)")
      let plan = try #require(
        try JSONSerialization.jsonObject(with: Data(planned.output.utf8)) as? [String: Any])
      let record = try RunOutput.record(folder, "run")
      func names(_ holder: [String: Any]) -> [String] {
        (holder["stages"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
      }
      #expect(names(plan).dropLast() == names(record).dropLast())
      #expect(plan["images"] as? Int == 300 && plan["box"] as? Int == SmallSet.box)
      let ranks = try #require(record["covariance_ranks"] as? [Int])
      #expect(plan["components"] as? Int == ranks.reduce(0, +))
    }

    @Test func mistakesAreRefused() throws {
      for (arguments, message) in [
        ([], "Give --images and --box"),
        (["--images", "100", "--box", "65", "--ranks", "101"], "101 ranks for 100 images"),
        (["--images", "100", "--box", "65", "--machine", "none.json"], "none.json: no such file"),
      ] {
        let run = try Command.run(["plan"] + arguments)
        #expect(run.status != 0 && run.errors.count == 1, "\(run.text)")
        #expect(run.errors.first?.contains(message) == true, "\(run.text)")
      }
    }
  }
}
