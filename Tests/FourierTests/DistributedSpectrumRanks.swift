import Foundation
import MPI
import TestSupport
import Testing

@testable import Fourier

/// Right on any number of ranks: started by mpirun, every rank checks its own rows.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DistributedSpectrumRanks {
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
}
