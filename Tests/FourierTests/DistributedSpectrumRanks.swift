import CFFTW
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

  @Test("The same as FFTW's serial transform", arguments: [32, 45])
  func agreesWithSerial(size: Int) throws {
    let comm = try testWorld()
    let values = randomNumbers(size * size * size, seed: 5)
    let columns = size / 2 + 1
    let input = fftw_alloc_real(size * size * size)!
    let output = fftw_alloc_complex(size * size * columns)!
    defer {
      fftw_free(input)
      fftw_free(output)
    }
    let n = Int32(size)
    let plan = FFTWPlanner.exclusively {
      fftw_plan_dft_r2c_3d(n, n, n, input, output, UInt32(FFTW_ESTIMATE))
    }
    for i in values.indices { input[i] = values[i] }
    fftw_execute(plan)
    FFTWPlanner.exclusively { fftw_destroy_plan(plan) }
    let spectrum = try DistributedSpectrum.transform(size: size, on: comm) { z, plane, stride in
      for y in 0..<size {
        for x in 0..<size { plane[y * stride + x] = values[(z * size + y) * size + x] }
      }
    }
    var worst = 0.0
    spectrum.forEachRow { kz, ky, row in
      for kx in 0..<columns {
        let serial = output[(kz * size + ky) * columns + kx]
        worst = max(worst, abs(row[kx].x - serial.0), abs(row[kx].y - serial.1))
      }
    }
    #expect(worst < 1e-10)
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
