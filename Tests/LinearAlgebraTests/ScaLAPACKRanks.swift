import COpenBLAS
import MPI
import TestSupport
import Testing

@testable import LinearAlgebra

@Suite("ScaLAPACK against LAPACK", .serialized, .timeLimit(.minutes(2)))
struct ScaLAPACKRanks {
  /// (rows, columns, rank): tall; blocks so short that R spans several ranks; less than full rank.
  @Test(arguments: [(103, 17, 17), (7, 6, 6), (40, 8, 5)])
  func qrOfRaggedSlices(rows: Int, columns: Int, rank: Int) throws {
    let world = try testWorld()
    var a = randomNumbers(rows * columns, seed: 5)
    for column in rank..<columns {
      for row in 0..<rows { a[column * rows + row] = 2 * a[(column - rank) * rows + row] }
    }
    let slice = raggedSlice(of: rows, rank: world.rank, ranks: world.size)
    let block = (0..<columns).flatMap { column in slice.map { a[column * rows + $0] } }
    let qr = try DistributedQR(block, columns: columns, over: world)
    #expect(qr.q.count == slice.count * columns)

    // Row-major, all ranks' rows.
    let mine = slice.indices.flatMap { row in
      (0..<columns).map { qr.q[$0 * slice.count + row - slice.lowerBound] }
    }
    let q = try world.allgatherRagged(mine)
    #expect(q.count == rows * columns)
    var worst = 0.0
    for row in 0..<rows {
      for column in 0..<columns {
        let sum = (0...column).reduce(0.0) {
          $0 + q[row * columns + $1] * qr.r[column * columns + $1]
        }
        worst = max(worst, abs(sum - a[column * rows + row]))
      }
    }
    #expect(worst < 1e-13)
    guard rank == columns else { return }

    for i in 0..<columns {
      for j in 0..<columns {
        let product = (0..<rows).reduce(0.0) { $0 + q[$1 * columns + i] * q[$1 * columns + j] }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-13)
      }
    }
    var tau = [Double](repeating: 0, count: columns)
    let info = LAPACKE_dgeqrf(
      LAPACK_COL_MAJOR, Int32(rows), Int32(columns), &a, Int32(rows), &tau)
    #expect(info == 0)
    for column in 0..<columns {
      for row in 0..<columns {
        let expected = row <= column ? abs(a[column * rows + row]) : 0
        #expect(abs(abs(qr.r[column * columns + row]) - expected) < 1e-12)
      }
    }
  }

  /// Smaller than a block of the grid, and several blocks with an incomplete last one.
  @Test(arguments: [1, 5, 101])
  func eigensystem(order: Int) throws {
    let world = try testWorld()
    var a = randomNumbers(order * order, seed: 9)
    for i in 0..<order { for j in 0..<i { a[i * order + j] = a[j * order + i] } }
    let system = try DistributedEigensystem(a, order: order, over: world)
    for j in 0..<order {
      let vector = system.vectors[j * order..<(j + 1) * order]
      for i in 0..<order {
        let product = zip(a[i * order..<(i + 1) * order], vector).reduce(0.0) { $0 + $1.0 * $1.1 }
        #expect(abs(product - system.values[j] * system.vectors[j * order + i]) < 1e-12)
      }
      #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-12)
    }
    var values = [Double](repeating: 0, count: order)
    let n = Int32(order)
    let info = LAPACKE_dsyevd(
      LAPACK_COL_MAJOR, CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: "L")), n, &a, n, &values)
    #expect(info == 0)
    for (mine, lapack) in zip(system.values, values) { #expect(abs(mine - lapack) < 1e-12) }
  }
}
