import Foundation
import Testing

/// The `kindred` beside the test executable, which `swift test` builds as well.
private let kindred = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
  .deletingLastPathComponent().appending(path: "kindred").path
private let canRun =
  FileManager.default.isExecutableFile(atPath: kindred)
  && ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] == nil

@Suite(
  .serialized, .timeLimit(.minutes(3)),
  .enabled(if: canRun, "no kindred beside the tests, or already started by mpirun"))
struct SimulateCommandTests {
  @Test("1, 2, 3 and 4 ranks make the same images, to one unit in the last place")
  func rankInvariance() throws {
    try withFolder { folder in
      var reference: [String: [Int32]] = [:]
      var tables: [String: Data] = [:]
      for ranks in 1...4 {
        let output = "\(folder)/\(ranks)"
        let options = ["--images", "103", "--box", "33", "--defocus-groups", "5", "--seed", "4"]
        let run = try simulate(ranks: ranks, ["--output", output] + options)
        #expect(run.status == 0, "\(run.text)")
        for stack in ["particles.mrcs", "clean.mrcs"] {
          let data = try Data(contentsOf: URL(fileURLWithPath: "\(output)/\(stack)"))
          let bits = data.dropFirst(1024).withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map {
              bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)
            }
          }
          #expect(bits.count == 103 * 33 * 33)
          let first = reference[stack] ?? bits
          reference[stack] = first
          let steps = zip(first, bits).map { abs(Int($0) - Int($1)) }.max()
          #expect(steps! <= 1, "\(stack) on \(ranks) ranks")
        }
        for table in ["particles.star", "truth.star"] {
          let data = try Data(contentsOf: URL(fileURLWithPath: "\(output)/\(table)"))
          #expect(data == tables[table] ?? data, "\(table) on \(ranks) ranks")
          tables[table] = data
        }
      }
    }
  }

  @Test(
    "A mistake is one message, a failure of all ranks, and no file",
    arguments: [
      (["--snr", "0"], "signal-to-noise ratio"), (["--images", "0"], "0 images"),
      (["--box", "7"], "box of 7 pixels"), (["--images", "2"], "3 ranks for 2 images"),
      (["--map", "missing.mrc"], "missing.mrc"), (["--map", "flat.mrc"], "16 x 16 x 8"),
      (["--map", "nan.mrc"], "voxel (3, 2, 9)"), (["--map", "empty.mrc"], "variance"),
      (["--defocus", "1"], "--defocus"), (["--pixel-size=-1"], "pixel size"),
      (["--defocus-groups", "0"], "0 defocus groups"),
    ])
  func badInput(options: [String], message: String) throws {
    try withFolder { folder in
      var cube = [Float](repeating: 0, count: 16 * 16 * 16)
      try writeMap(cube, sections: 16, "\(folder)/empty.mrc")
      try writeMap(Array(cube.prefix(16 * 16 * 8)), sections: 8, "\(folder)/flat.mrc")
      cube[9 * 256 + 2 * 16 + 3] = .nan
      try writeMap(cube, sections: 16, "\(folder)/nan.mrc")
      let values = options.map { $0.hasSuffix(".mrc") ? "\(folder)/\($0)" : $0 }
      let few = options[0] == "--images" ? [] : ["--images", "20"]
      let start = Date()
      let run = try simulate(ranks: 3, ["--output", "\(folder)/out"] + few + values)
      #expect(Date().timeIntervalSince(start) < 20)
      #expect(run.status != 0)
      let messages = run.text.split(separator: "\n").filter { $0.contains("kindred: error:") }
      #expect(messages.count == 1 && messages.first!.contains(message), "\(run.text)")
      let left = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/out")
      #expect(left ?? [] == [])
    }
  }

  @Test("A folder that holds a simulation is refused, and kept")
  func refusesToOverwrite() throws {
    try withFolder { folder in
      let path = "\(folder)/truth.star"
      try Data("kept".utf8).write(to: URL(fileURLWithPath: path))
      let run = try simulate(ranks: 1, ["--output", folder, "--images", "3", "--box", "8"])
      #expect(run.status != 0 && run.text.contains("\(path): is there already"), "\(run.text)")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "kept")
    }
  }

  /// The MRC header's fields that a reader needs, then the values.
  private func writeMap(_ values: [Float], sections: Int, _ path: String) throws {
    var header = [Int32](repeating: 0, count: 256)
    header.replaceSubrange(0..<4, with: [16, 16, Int32(sections), 2])
    header[52] = Int32(bitPattern: 0x2050_414D)
    header[53] = 0x4444
    let data = header.withUnsafeBytes { Data($0) } + values.withUnsafeBytes { Data($0) }
    try data.write(to: URL(fileURLWithPath: path))
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "kindred-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  private func simulate(ranks: Int, _ arguments: [String]) throws -> (status: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      [
        "mpirun", "-n", String(ranks), "--allow-run-as-root", "--oversubscribe", "--bind-to",
        "none", "--mca", "mpi_yield_when_idle", "1", kindred, "simulate",
      ] + arguments
    // MPI, started in this process by other tests, leaves variables that make another mpirun fail.
    process.environment = ProcessInfo.processInfo.environment.filter {
      !$0.key.hasPrefix("OMPI_") && !$0.key.hasPrefix("PMIX_")
    }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
