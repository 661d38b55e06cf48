import Foundation
import TestSupport
import Testing

extension CommandTests {
  @Suite struct SimulateTests {
    @Test("1, 2, 3 and 4 ranks make the same images, to one unit in the last place")
    func rankInvariance() throws {
      let directory = try TemporaryFolder()
      let folder = directory.path
      var reference: [String: [Int32]] = [:]
      var tables: [String: Data] = [:]
      for ranks in 1...4 {
        let output = "\(folder)/\(ranks)"
        let options = ["--images", "103", "--box", "33", "--defocus-groups", "5", "--seed", "4"]
        let run = try Command.run(["simulate", "--output", output] + options, ranks: ranks)
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

    /// `RefusalRanks` tries more of them.
    @Test(
      "A mistake is one message, a failure of all ranks, and no file",
      arguments: [
        SimulationMistake(["--snr", "0"], "signal-to-noise ratio"),
        SimulationMistake(["--images", "2"], "3 ranks for 2 images"),
        SimulationMistake(["--map", "nan.mrc"], "voxel (3, 2, 9)"),
      ])
    func badInput(mistake: SimulationMistake) throws {
      let folder = try SimulationMistake.maps()
      let run = try Command.run(mistake.arguments(folder), ranks: 3)
      #expect(run.seconds < 20)
      #expect(run.status != 0)
      #expect(run.errors.count == 1 && run.errors[0].contains(mistake.message), "\(run.text)")
      #expect(folder.names(in: "out") == [])
    }

    @Test("A folder that holds a simulation is refused, and kept")
    func refusesToOverwrite() throws {
      let directory = try TemporaryFolder()
      let folder = directory.path
      let path = "\(folder)/truth.star"
      try Data("kept".utf8).write(to: URL(fileURLWithPath: path))
      let run = try Command.run(
        ["simulate", "--output", folder, "--images", "3", "--box", "8"], ranks: 1)
      #expect(run.status != 0 && run.text.contains("\(path): is there already"), "\(run.text)")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "kept")
    }

    @Test(
      "Progress on a terminal: a bar with the time left, also under mpirun",
      .enabled(if: Command.canRun("script"), "no script, which makes a terminal"),
      arguments: ["", "mpirun -n 2 --oversubscribe --allow-run-as-root "])
    func bar(launcher: String) throws {
      let directory = try TemporaryFolder()
      let line =
        "\(launcher)\(Command.kindred) simulate --output \(directory.path) --images 4000 --box 32"
      let run = try Command.runProgram(["script", "-qec", line, "/dev/null"])
      #expect(run.status == 0, "\(run.text)")
      let redrawn = run.output.split(separator: "\r").filter { $0.contains("images [") }
      #expect(redrawn.contains { $0.contains("=") && $0.contains(" %, ") && $0.contains(" left") })
    }

    @Test("Progress: a line for the begin and the end of each stage, and a table at the end")
    func progress() throws {
      let directory = try TemporaryFolder()
      let run = try Command.run(
        ["simulate", "--output", directory.path, "--images", "5", "--box", "8"], ranks: 2)
      #expect(run.status == 0, "\(run.text)")
      for stage in ["map", "signal", "images"] {
        #expect(run.messages.contains("Z  \(stage): begins"), "\(run.text)")
        #expect(run.messages.contains("Z  \(stage): done after"), "\(run.text)")
        #expect(run.output.contains("\n\(stage) "), "\(run.text)")
      }
    }
  }
}
