import Foundation
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

  /// Runs `kindred` on so many ranks; without mpirun where `ranks` is nil.
  static func run(
    _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:]
  ) throws -> Command {
    var line = [kindred] + arguments
    if let ranks {
      line =
        [
          "mpirun", "-n", String(ranks), "--allow-run-as-root", "--oversubscribe", "--bind-to",
          "none", "--mca", "mpi_yield_when_idle", "1",
        ] + line
    }
    return try runProgram(line, environment: environment)
  }

  /// Runs any program, found by PATH; ends it after two minutes, which only a hang needs.
  static func runProgram(_ line: [String], environment: [String: String] = [:]) throws -> Command {
    let folder = try Folder()
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
    process.waitUntilExit()
    watchdog.cancel()
    return Command(
      status: process.terminationStatus, output: try folder.text("out"),
      messages: try folder.text("err"), seconds: Date().timeIntervalSince(start))
  }
}

/// A folder of its own for one test, removed when the test lets go of it.
final class Folder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "kindred-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func write(_ text: String, to name: String) throws { try write(Data(text.utf8), to: name) }

  func write(_ data: Data, to name: String) throws {
    try data.write(to: URL(fileURLWithPath: file(name)))
  }

  func data(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: file(name)))
  }

  func text(_ name: String) throws -> String { String(decoding: try data(name), as: UTF8.self) }

  /// The names of what a folder in this one holds; none where it is missing.
  func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: file(folder)))?.sorted() ?? []
  }
}

/// The project's folder, and data beside it that the project does not hold.
enum Project {
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let sharedData = URL(fileURLWithPath: path).appending(path: "../shared/data").standardized
    .path
  static let hasSharedData = FileManager.default.fileExists(atPath: sharedData + "/real")
  static let python = path + "/.venv/bin/python"
  static let hasPython = FileManager.default.isExecutableFile(atPath: python)
}
