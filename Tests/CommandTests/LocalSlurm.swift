import Foundation
import TestSupport
import Testing

/// A SLURM cluster of virtual nodes for one test, with a folder for its jobs; stopped, and the folder removed,
/// when the test lets go of it.
final class LocalSlurm {
  private let folder: TemporaryFolder
  /// Where jobs run and leave their logs.
  let jobs: TemporaryFolder

  static let canRun =
    geteuid() == 0
    && ["slurmctld", "slurmd", "sbatch", "munged", "unshare"].allSatisfy(Command.canRun)
  static let whySkipped =
    "virtual nodes need root, SLURM and munge (cluster/run-tests installs them)"

  struct Failure: Error { let text: String }

  init(nodes: Int, processors: Int) throws {
    folder = try TemporaryFolder()
    jobs = try TemporaryFolder()
    _ = try kit("start", String(nodes), String(processors))
  }

  deinit {
    // By its own environment's settings alone; what fails here has failed the test before.
    _ = try? kit("stop")
  }

  /// `cluster/local-slurm VERB FOLDER ...`
  @discardableResult func kit(_ verb: String, _ arguments: String...) throws -> Command {
    let path = Project.path + "/cluster/local-slurm"
    return try checked(["timeout", "60", "bash", path, verb, folder.path] + arguments)
  }

  /// A command of SLURM's.
  @discardableResult func run(_ line: String...) throws -> Command {
    try checked(
      ["timeout", "30", "bash", "-c", #". "$0" && exec "$@""#, folder.file("env.sh")] + line)
  }

  private func checked(_ line: [String]) throws -> Command {
    let command = try Command.runProgram(line)
    if command.status != 0 { throw Failure(text: "\(line): \(command.text)") }
    return command
  }

  /// Submits a script of `jobscripts`, in the folder `jobs`, and returns the job's number.
  func submit(
    _ script: String, _ options: [String] = [], _ variables: KeyValuePairs<String, String>
  ) throws -> String {
    let export = variables.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    let command = try Command.runProgram(
      ["timeout", "30", "bash", "-c", #". "$0" && exec "$@""#, folder.file("env.sh")]
        + ["sbatch", "--parsable", "--chdir=\(jobs.path)", "--export=ALL,\(export)"] + options
        + ["\(Project.path)/jobscripts/\(script)"])
    if command.status != 0 { throw Failure(text: command.text) }
    return command.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Waits until no job is left in the queue.
  func waitForJobs(seconds: Double = 100) throws {
    try wait("the end of the jobs", seconds) { try run("squeue", "-h").output.isEmpty }
  }

  func wait(_ what: String, _ seconds: Double, until condition: () throws -> Bool) throws {
    let end = Date().addingTimeInterval(seconds)
    while try !condition() {
      if Date() > end { throw Failure(text: "waited \(seconds) s for \(what)\n\(logs)") }
      Thread.sleep(forTimeInterval: 0.2)
    }
  }

  /// What `scontrol show job` says about a job, by name.
  func job(_ number: String) throws -> [String: String] {
    let text = try run("scontrol", "--oneliner", "show", "job", number).output
    return Dictionary(
      text.split(separator: " ").compactMap { word in
        let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
        return parts.count == 2 ? (parts[0], parts[1]) : nil
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The logs of all jobs.
  var logs: String {
    ((try? jobs.names) ?? []).filter { $0.hasSuffix(".log") }.sorted()
      .map { "--- \($0)\n\((try? jobs.text($0)) ?? "")" }.joined(separator: "\n")
  }
}
