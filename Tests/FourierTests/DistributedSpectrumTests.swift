import Foundation
import MPI
import Testing

@testable import Fourier

/// Right on any number of ranks: started by mpirun, every rank checks its own rows.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DistributedSpectrumTests {
  @Test("Every coefficient is the direct sum", arguments: [9, 10])
  func agreesWithDirectSum(size: Int) throws {
    let comm = try testWorld()
    func sample(_ z: Int, _ y: Int, _ x: Int) -> Double {
      sin(Double(7 * z * z + 3 * y * x + 11 * y + 5 * x * x) * 1.7)
    }
    let spectrum = try DistributedSpectrum.transform(size: size, on: comm) { z, plane, stride in
      for y in 0..<size {
        for x in 0..<size { plane[y * stride + x] = sample(z, y, x) }
      }
    }
    var worst = 0.0
    var rows = 0
    spectrum.forEachRow { kz, ky, row in
      rows += 1
      for kx in 0...size / 2 {
        var sum = SIMD2<Double>.zero
        for z in 0..<size {
          for y in 0..<size {
            for x in 0..<size {
              let phase = -2 * Double.pi * Double((kz * z + ky * y + kx * x) % size) / Double(size)
              sum += SIMD2(cos(phase), sin(phase)) * sample(z, y, x)
            }
          }
        }
        let error = row[kx] - sum
        worst = max(worst, (error * error).sum().squareRoot())
      }
    }
    let total = try comm.allreduce(rows)
    #expect(total == size * size)
    #expect(worst < 1e-11)
  }

  @Test("An error of one rank's input is every rank's error")
  func reportsAnErrorEverywhere() throws {
    struct Unreadable: Error {}
    let comm = try testWorld()
    #expect(throws: ReportedError.self) {
      _ = try DistributedSpectrum.transform(size: 8, on: comm) { z, _, _ in
        if z == 7 { throw Unreadable() }
      }
    }
  }

  @Test(
    "The same on several ranks",
    .enabled(
      if: ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] == nil,
      "already started by mpirun"), arguments: [2, 3, 4])
  func runsOnSeveralRanks(ranks: Int) throws {
    // MPI, started in this process, leaves variables that make another mpirun fail.
    let environment = ProcessInfo.processInfo.environment.filter {
      !$0.key.hasPrefix("OMPI_") && !$0.key.hasPrefix("PMIX_")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    process.arguments = [
      "mpirun", "-n", String(ranks), "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
      "--mca", "mpi_yield_when_idle", "1", executable, "--testing-library", "swift-testing",
      "--no-parallel", "--filter", "agreesWithDirectSum|reportsAnErrorEverywhere",
    ]
    process.environment = environment
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    // Every rank has run the tests, not merely found none.
    let passed = text.split(separator: "\n").filter { $0.contains("with 2 tests") }
    #expect(passed.count == ranks, "\(text)")
  }
}
