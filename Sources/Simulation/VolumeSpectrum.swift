import Fourier
import MPI

/// The Fourier transform of a map, kept once per node, from which any rank interpolates values at any
/// frequency below Nyquist.
///
/// The central slice theorem: the 2-D transform of a projection at orientation A is
/// F(kx u + ky v), u and v the first two rows of A.
struct VolumeSpectrum {
  let grid: PaddedGrid
  private let kernel: GriddingKernel
  private let memory: NodeMemory<Double>
  private let values: UnsafePointer<Double>

  private init(grid: PaddedGrid, kernel: GriddingKernel, memory: NodeMemory<Double>) {
    self.grid = grid
    self.kernel = kernel
    values = UnsafePointer(memory.elements.baseAddress!)
    self.memory = memory
  }

  /// Transforms `map` on all ranks of `comm` and shares the result on each node. Collective; every
  /// rank reads its own sections.
  ///
  /// - Throws: `ReportedError` when a section cannot be read.
  static func transform(_ map: some DensityMap, on comm: Communicator) throws -> VolumeSpectrum {
    let grid = PaddedGrid(boxSize: map.boxSize)
    let kernel = GriddingKernel(oversampling: Double(grid.size) / Double(grid.boxSize))
    let spectrum = try transformCompensated(map, grid: grid, kernel: kernel, on: comm)
    let node = try comm.splitByNode()
    let memory = try NodeMemory<Double>.allocate(count: 2 * grid.count, node: node)
    try gather(spectrum, grid: grid, into: memory, node: node, on: comm)
    return VolumeSpectrum(grid: grid, kernel: kernel, memory: memory)
  }

  /// Interpolates values of F; for one thread, because it keeps memory to work in.
  ///
  /// - Parameter body: gets a function from a frequency in cycles per grid size, at most
  ///   `grid.size / 2` long, to F there.
  func withInterpolation(_ body: ((SIMD3<Double>) -> SIMD2<Double>) -> Void) {
    let width = GriddingKernel.width
    withUnsafeTemporaryAllocation(of: SIMD8<Double>.self, capacity: 2) { weights in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: 2 * width) { rows in
        let weights = UnsafeMutableRawPointer(weights.baseAddress!)
        let (yStarts, zStarts) = (rows.baseAddress!, rows.baseAddress! + width)
        body { frequency in
          // Only kx >= 0 is stored: F(-k) = conj F(k).
          let isMirrored = frequency.x < 0
          let k = isMirrored ? -frequency : frequency
          let floor = k.rounded(.down)
          let fraction = k - floor
          weights.storeBytes(of: kernel.weights(fraction.y), as: SIMD8<Double>.self)
          weights.storeBytes(
            of: kernel.weights(fraction.z), toByteOffset: 64, as: SIMD8<Double>.self)
          let y = weights.assumingMemoryBound(to: Double.self)
          let z = y + 8
          let start = values + 2 * (Int(floor.x) - GriddingKernel.reach + PaddedGrid.before)
          for tap in 0..<width {
            yStarts[tap] =
              2 * grid.rowLength * grid.wrapped(Int(floor.y) - GriddingKernel.reach + tap)
            zStarts[tap] =
              2 * grid.rowLength * grid.size
              * grid.wrapped(Int(floor.z) - GriddingKernel.reach + tap)
          }
          // Six elements of a row are three vectors of two complex numbers.
          var (a, b, c) = (SIMD4<Double>.zero, SIMD4<Double>.zero, SIMD4<Double>.zero)
          for dz in 0..<width {
            let plane = start + zStarts[dz]
            let weight = z[dz]
            for dy in 0..<width {
              let row = UnsafeRawPointer(plane + yStarts[dy])
              let factor = weight * y[dy]
              a += row.loadUnaligned(as: SIMD4<Double>.self) * factor
              b += row.loadUnaligned(fromByteOffset: 32, as: SIMD4<Double>.self) * factor
              c += row.loadUnaligned(fromByteOffset: 64, as: SIMD4<Double>.self) * factor
            }
          }
          let x = kernel.weights(fraction.x)
          let sum =
            a * SIMD4(x[0], x[0], x[1], x[1]) + b * SIMD4(x[2], x[2], x[3], x[3])
            + c * SIMD4(x[4], x[4], x[5], x[5])
          let value = sum.lowHalf + sum.highHalf
          return isMirrored ? [value.x, -value.y] : value
        }
      }
    }
  }

  /// The distributed transform of the zero-padded map, divided by the transform of the interpolation
  /// kernel.
  private static func transformCompensated(
    _ map: some DensityMap, grid: PaddedGrid, kernel: GriddingKernel, on comm: Communicator
  ) throws -> DistributedSpectrum {
    let box = grid.boxSize
    let points = (0..<grid.size).compactMap { point in
      grid.voxel(at: point).map { (point: point, voxel: $0) }
    }
    let compensation = (0..<box).map { voxel in
      1 / kernel.transform(x: Double(voxel - box / 2), size: Double(grid.size))
    }
    let section = UnsafeMutableBufferPointer<Double>.allocate(capacity: box * box)
    defer { section.deallocate() }
    return try DistributedSpectrum.transform(size: grid.size, on: comm) { z, plane, stride in
      guard let voxelZ = grid.voxel(at: z) else { return }
      try map.readSection(voxelZ, into: section)
      for (y, voxelY) in points {
        let factor = compensation[voxelZ] * compensation[voxelY]
        for (x, voxelX) in points {
          plane[y * stride + x] = section[voxelY * box + voxelX] * compensation[voxelX] * factor
        }
      }
    }
  }

  /// Puts the ranks' rows together in every node's memory.
  private static func gather(
    _ spectrum: borrowing DistributedSpectrum, grid: PaddedGrid,
    into memory: NodeMemory<Double>, node: Communicator, on comm: Communicator
  ) throws {
    // Complex numbers as pairs of Double: MPI aligns the memory to 8 bytes only, SIMD2 needs 16.
    let elements = memory.elements.baseAddress!
    spectrum.forEachRow { kz, ky, row in
      let start = elements + 2 * grid.index(kz: kz, ky: ky)
      for (kx, value) in row.enumerated() {
        start[2 * kx] = value.x
        start[2 * kx + 1] = value.y
      }
    }
    try memory.addOverNodes(on: comm)

    let columns = grid.borderColumns
    for kz in Partition(of: grid.size, among: node.size).range(of: node.rank) {
      for ky in 0..<grid.size {
        for kx in columns {
          let mirror = grid.index(
            kz: grid.wrapped(grid.size - kz), ky: grid.wrapped(grid.size - ky),
            kx: kx < 0 ? -kx : grid.size - kx)
          let element = grid.index(kz: kz, ky: ky, kx: kx)
          elements[2 * element] = elements[2 * mirror]
          elements[2 * element + 1] = -elements[2 * mirror + 1]
        }
      }
    }
    try memory.fence()
  }
}
