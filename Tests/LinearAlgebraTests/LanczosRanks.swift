import COpenBLAS
import MPI
import TestSupport
import Testing

@testable import LinearAlgebra

@Suite("PARPACK against LAPACK", .serialized, .timeLimit(.minutes(2)))
struct LanczosRanks {
  private let order = 150

  /// Column-major, symmetric.
  private var matrix: [Double] {
    var a = randomNormals(order * order, seed: 3)
    for i in 0..<order { for j in 0..<i { a[i * order + j] = a[j * order + i] } }
    return a
  }

  private func solve(_ a: [Double], largest count: Int, restarts: Int, on world: Communicator)
    throws -> DistributedLanczos
  {
    let rows = Partition(of: order, among: world.size).range(of: world.rank)
    return try DistributedLanczos(
      largest: count, order: order, rows: rows, restarts: restarts, over: world
    ) { x, y in
      let whole = try world.allgatherRagged(Array(x))
      for (at, row) in rows.enumerated() {
        y[at] = whole.indices.reduce(0) { $0 + a[$1 * order + row] * whole[$1] }
      }
    }
  }

  @Test("The largest eigenvalues and their vectors", arguments: [1, 9, 149])
  func agreesWithLAPACK(count: Int) throws {
    let world = try testWorld()
    let found = try solve(matrix, largest: count, restarts: 3000, on: world)
    var reference = matrix
    var values = [Double](repeating: 0, count: order)
    let info = LAPACKE_dsyevd(
      LAPACK_COL_MAJOR, CChar(UInt8(ascii: "V")), CChar(UInt8(ascii: "L")), Int32(order),
      &reference, Int32(order), &values)
    #expect(info == 0)
    #expect(found.values.count == count)
    let rows = Partition(of: order, among: world.size).range(of: world.rank)
    for j in 0..<count {
      let column = order - 1 - j
      #expect(abs(found.values[j] - values[column]) < 1e-9)
      let mine = found.vectors[j * rows.count..<(j + 1) * rows.count]
      var product = zip(mine, rows).reduce(0.0) { $0 + $1.0 * reference[column * order + $1.1] }
      product = try world.allreduce(product)
      var square = mine.reduce(0) { $0 + $1 * $1 }
      square = try world.allreduce(square)
      #expect(abs(abs(product) - 1) < 1e-8 && abs(square - 1) < 1e-10)
    }
  }

  @Test("Too few restarts are an error on every rank")
  func doesNotConverge() throws {
    let world = try testWorld()
    let error = #expect(throws: PARPACKError.self) {
      _ = try solve(matrix, largest: 9, restarts: 1, on: world)
    }
    #expect(error?.routine == "pdsaupd" && error?.info == 1 && error?.wanted == 9)
  }
}
