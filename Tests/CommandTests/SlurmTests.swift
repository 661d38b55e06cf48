import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// The job scripts, run by a SLURM of several nodes.
  @Suite(.enabled(if: LocalSlurm.canRun, Comment(rawValue: LocalSlurm.whySkipped)))
  struct SlurmTests {
    /// Where `average` takes long: a script that makes so many steps of 0.1 s on every rank and leaves its count
    /// when USR1 comes, or every rank or node has gone; then it does what kindred does.
    private func longRun(_ folder: TemporaryFolder, steps: Int) throws -> String {
      let script = """
        rank=${OMPI_COMM_WORLD_RANK:-$SLURM_PROCID} folder='\(folder.path)'
        count=$(cat "$folder/count-$rank" 2>/dev/null || echo 0)
        [ "$1" = average ] || count=\(steps)
        [ "$rank$1" != 0average ] || echo "$count" >>"$folder/starts"
        trap 'stop=1' USR1
        while [ "$count" -lt \(steps) ]; do
          [ -z "$stop" ] || exit 75
          sleep 0.1
          count=$((count + 1))
          # Whole, whenever the rank is killed.
          echo "$count" >"$folder/new-$rank" && mv "$folder/new-$rank" "$folder/count-$rank"
        done
        trap - USR1
        exec '\(Command.kindred)' "$@"
        """
      return try executable(folder, script)
    }

    /// A bash script in a folder.
    private func executable(_ folder: TemporaryFolder, _ script: String) throws -> String {
      let path = try folder.write("#!/bin/bash\n" + script, to: "program")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
      return path
    }

    /// The steps at which the starts of a long run began.
    private func starts(_ folder: TemporaryFolder) throws -> [Int] {
      guard folder.names(in: ".").contains("starts") else { return [] }
      return try folder.text("starts").split(separator: "\n").compactMap { Int($0) }
    }

    private func expectSame(_ folder: TemporaryFolder, _ run: String, _ other: String) throws {
      for name in RunOutput.fileNames where name != "run.json" {
        let same = try folder.data("\(run)/\(name)") == folder.data("\(other)/\(name)")
        #expect(same, "\(name) differs")
      }
    }

    @Test func averagesOverNodes() throws {
      let folder = try SmallSet.make()
      #expect(try average(folder, to: "direct", ranks: 4).status == 0)
      let cluster = try LocalSlurm(nodes: 4, processors: 2)
      let particles = folder.file("set/particles.star")
      let options = "--neighbours 5 --suspects 20"
      let onNodes = try cluster.submit(
        "average.sbatch", ["--nodes=4", "--ntasks=4"],
        [
          "PARTICLES": particles, "OUTPUT": folder.file("nodes"), "KINDRED": Command.kindred,
          "KINDRED_OPTIONS": options,
        ])
      try cluster.waitForJobs()
      let completed = try cluster.job(onNodes)["JobState"] == "COMPLETED"
      #expect(completed, "\(cluster.logs)")
      try expectSame(folder, "nodes", "direct")
      let hosts = try RunOutput.record(folder, "nodes")["hosts"] as? [String]
      #expect(Set(hosts ?? []) == ["n1", "n2", "n3", "n4"])

      let bySrun = try cluster.submit(
        "average.sbatch", ["--ntasks=1", "--cpus-per-task=2"],
        [
          "PARTICLES": particles, "OUTPUT": folder.file("srun"), "KINDRED": Command.kindred,
          "KINDRED_OPTIONS": options, "LAUNCHER": "srun",
        ])
      let mistaken = try cluster.submit(
        "average.sbatch", ["--ntasks=2"],
        [
          "PARTICLES": folder.file("nowhere.star"), "OUTPUT": folder.file("none"),
          "KINDRED": Command.kindred,
        ])
      try cluster.waitForJobs()
      let alsoCompleted = try cluster.job(bySrun)["JobState"] == "COMPLETED"
      #expect(alsoCompleted, "\(cluster.logs)")
      let record = try RunOutput.record(folder, "srun")
      #expect(record["threads"] as? Int == 2 && record["ranks"] as? Int == 1)
      // A user's mistake ends the job, at once.
      let failed = try cluster.job(mistaken)
      #expect(failed["JobState"] == "FAILED" && failed["Restarts"] == "0")
      #expect(try cluster.jobs.text("kindred-average-\(mistaken).log").contains("nowhere.star"))
    }

    @Test(arguments: ["mpirun", "srun"]) func goesOnAfterTheSignal(launcher: String) throws {
      let folder = try SmallSet.make()
      #expect(try average(folder, to: "direct", ranks: 2).status == 0)
      let cluster = try LocalSlurm(nodes: 1, processors: 2)
      let job = try cluster.submit(
        "average.sbatch", ["--ntasks=2"],
        [
          "PARTICLES": folder.file("set/particles.star"), "OUTPUT": folder.file("run"),
          "KINDRED": try longRun(folder, steps: 30), "LAUNCHER": launcher,
          "KINDRED_OPTIONS": "--neighbours 5 --suspects 20", "MAX_RESTARTS": "1",
        ])
      for count in 1...2 {
        try cluster.wait("start \(count)", 40) { try starts(folder).count == count }
        Thread.sleep(forTimeInterval: 1)
        // The second time the script may not go into the queue again.
        if launcher == "srun" || count == 1 {
          try cluster.run("scancel", "--signal=USR1", "--batch", job)
        }
      }
      try cluster.waitForJobs()
      let end = try cluster.job(job)
      let begins = try starts(folder)
      #expect(begins.count == 2 && begins[0] == 0 && begins[1] > 5, "\(cluster.logs)")
      #expect(end["Restarts"] == "1")
      if launcher == "mpirun" {
        #expect(end["JobState"] == "COMPLETED", "\(cluster.logs)")
        try expectSame(folder, "run", "direct")
      } else {
        #expect(end["JobState"] == "FAILED" && end["ExitCode"] == "75:0")
      }
    }

    /// Node 1 runs the script itself; node 2 only ranks.
    @Test(arguments: [1, 2]) func survivesTheLossOfANode(node: Int) throws {
      let folder = try SmallSet.make()
      #expect(try average(folder, to: "direct", ranks: 2).status == 0)
      let cluster = try LocalSlurm(nodes: 3, processors: 1)
      let job = try cluster.submit(
        "average.sbatch", ["--ntasks=2", "--nodelist=n1,n2"],
        [
          "PARTICLES": folder.file("set/particles.star"), "OUTPUT": folder.file("run"),
          "KINDRED": try longRun(folder, steps: 30),
          "KINDRED_OPTIONS": "--neighbours 5 --suspects 20",
        ])
      try cluster.wait("the start", 40) { try starts(folder).count == 1 }
      Thread.sleep(forTimeInterval: 1)
      try cluster.kit("kill-node", String(node))
      Thread.sleep(forTimeInterval: 2)
      try cluster.kit("start-node", String(node))
      try cluster.waitForJobs()
      let end = try cluster.job(job)
      #expect(end["JobState"] == "COMPLETED" && end["Restarts"] == "1", "\(cluster.logs)")
      let begins = try starts(folder)
      #expect(begins.count == 2 && begins[1] > 5, "\(cluster.logs)")
      try expectSame(folder, "run", "direct")
    }

    @Test func theTable() throws {
      let cluster = try LocalSlurm(nodes: 2, processors: 2)
      let folder = cluster.jobs
      _ = try cluster.submit(
        "table1.sbatch", [],
        [
          "KINDRED": Command.kindred, "TASKS": "2", "IMAGES": "120", "SNRS": "1 1/5",
          "SIMULATE_OPTIONS": "--box 33 --pixel-size 5.64", "KINDRED_OPTIONS": "--neighbours 5",
          "METHODS": "default: ; one-pass: --passes 1; wrong: --affinity nosuch",
        ])
      try cluster.waitForJobs()
      let table = try folder.text("table1/table1.csv").split(separator: "\n")
        .map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
      let runs = table.dropFirst().map { "\($0[0]) \($0[1])" }
      #expect(
        runs == ["default 1", "default 1/5", "one-pass 1", "one-pass 1/5", "wrong 1", "wrong 1/5"])
      for row in table.dropFirst().prefix(4) {
        #expect(row[2...4] == ["120", "5", "600"])
        let above = try #require(Int(row[5]))
        let quality = try #require(Double(row[6]))
        #expect(above > 500 && quality > 0.9)
      }
      // A method that fails leaves its places empty.
      for row in table.suffix(2) { #expect(row[2...].joined() == "") }
      #expect(try folder.text("table1/table1.txt").contains(/\nwrong +- +-\n/))
      #expect(cluster.logs.contains("error: 2 results are missing"))
    }

    /// Jobs for each number of ranks, and one that brings their times together.
    @Test func scaling() throws {
      let cluster = try LocalSlurm(nodes: 2, processors: 2)
      let folder = cluster.jobs
      for kind in ["strong", "weak"] {
        _ = try cluster.submit(
          "scaling-\(kind).sbatch", [],
          [
            "KINDRED": Command.kindred, "RANKS": "1 4", "IMAGES": "120",
            "SIMULATE_OPTIONS": "--box 33 --pixel-size 5.64 --snr 1/5",
            "KINDRED_OPTIONS": "--neighbours 5",
          ])
      }
      try cluster.waitForJobs()
      // Weak: twice the images are four times the pairs.
      for (kind, images) in [("strong", [120, 120]), ("weak", [120, 240])] {
        let records = try ["ranks-0001", "ranks-0004"].map {
          try RunOutput.record(folder, "scaling-\(kind)/\($0)")
        }
        #expect(records.compactMap { $0["ranks"] as? Int } == [1, 4], "\(cluster.logs)")
        #expect(records.compactMap { $0["images_used"] as? Int } == images)
        let json = try #require(
          try JSONSerialization.jsonObject(
            with: folder.data("scaling-\(kind)/scaling.json")) as? [String: Any])
        #expect(json["kind"] as? String == kind)
        let runs = try #require(json["runs"] as? [[String: Any]])
        #expect(runs.compactMap { $0["ranks"] as? Int } == [1, 4])
        #expect(runs.compactMap { $0["images"] as? Int } == images)
        #expect(
          runs.compactMap { $0["seconds"] as? Double }
            == records.compactMap { $0["seconds"] as? Double })
        let rows = try folder.text("scaling-\(kind)/scaling.csv").split(separator: "\n")
        #expect(rows.count > 2)
        #expect(try folder.text("scaling-\(kind)/scaling.svg").hasSuffix("</svg>\n"))
      }
    }
  }
}
