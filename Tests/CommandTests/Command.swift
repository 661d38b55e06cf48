import Foundation
import TestSupport
import Testing

/// The tests of the program as a whole, one after the other: they start it, alone and under mpirun.
@Suite(
  .serialized, .timeLimit(.minutes(10)),
  .enabled(if: Command.canRun, "no kindred beside the tests, or the tests are ranks themselves"))
enum CommandTests {}

/// A program that ran to its end.
struct Command {
  let status: Int32
  /// Standard output.
  let output: String
  /// Standard error, of all ranks and of mpirun.
  let messages: String
  let seconds: Double

  /// The lines by which kindred refuses.
  var errors: [String] {
    (output + "\n" + messages).split(separator: "\n").map(String.init)
      .filter { $0.contains("kindred: error:") }
  }

  /// The output and the messages, for a failed expectation.
  var text: String { "status \(status), \(seconds) s\n\(output)\n\(messages)" }

  /// The `kindred` beside the test executable, which the package's manifest has built before the tests.
  static let kindred = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "kindred").path

  static var canRun: Bool {
    FileManager.default.isExecutableFile(atPath: kindred)
      && ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] == nil
  }

  /// Whether PATH has a program.
  static func canRun(_ program: String) -> Bool {
    (try? runProgram(["which", program]))?.status == 0
  }

  /// Runs `kindred` on so many ranks; without mpirun where `ranks` is nil. `meanwhile` is called once it runs.
  static func run(
    _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:],
    meanwhile: (RunningCommand) throws -> Void = { _ in }
  ) throws -> Command {
    var line = [kindred] + arguments
    if let ranks {
      line =
        [
          "mpirun", "-n", String(ranks), "--allow-run-as-root", "--oversubscribe", "--bind-to",
          "none", "--mca", "mpi_yield_when_idle", "1",
        ] + line
    }
    return try runProgram(line, environment: environment, meanwhile: meanwhile)
  }

  /// Runs any program, found by PATH; ends it after two minutes, which only a hang needs.
  static func runProgram(
    _ line: [String], environment: [String: String] = [:],
    meanwhile: (RunningCommand) throws -> Void = { _ in }
  ) throws -> Command {
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = line
    // MPI, started in this process by other tests, leaves variables that make another mpirun fail.
    process.environment = ProcessInfo.processInfo.environment.filter {
      !$0.key.hasPrefix("OMPI_") && !$0.key.hasPrefix("PMIX_")
    }.merging(["OPENBLAS_NUM_THREADS": "1"]) { $1 }.merging(environment) { $1 }
    // Files, not pipes: nobody has to read while the program writes.
    var handles: [FileHandle] = []
    for name in ["out", "err"] {
      _ = FileManager.default.createFile(atPath: folder.file(name), contents: nil)
      handles.append(try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file(name))))
    }
    process.standardOutput = handles[0]
    process.standardError = handles[1]
    process.standardInput = FileHandle.nullDevice
    let start = Date()
    try process.run()
    let watchdog = DispatchWorkItem { [id = process.processIdentifier] in kill(id, SIGTERM) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 120, execute: watchdog)
    try meanwhile(RunningCommand(process: process.processIdentifier, folder: folder))
    process.waitUntilExit()
    watchdog.cancel()
    return Command(
      status: process.terminationStatus, output: try folder.text("out"),
      messages: try folder.text("err"), seconds: Date().timeIntervalSince(start))
  }
}

/// The project's folder, and the Python that reads its files in one test.
enum Project {
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let python = path + "/.venv/bin/python"
  static let hasPython = FileManager.default.isExecutableFile(atPath: python)
}
