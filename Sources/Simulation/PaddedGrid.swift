/// The grid on which a map's spectrum is kept: the map padded with zeros to at least twice its size,
/// its centre at grid point 0, and one half (kx >= 0) of the spectrum, with the few columns beyond
/// both ends that an interpolation at the border takes in.
struct PaddedGrid: Sendable {
  /// The map's edge.
  let boxSize: Int
  /// The padded edge: even, and a product of small primes, which FFTW transforms fastest.
  let size: Int
  /// The elements of one stored row.
  let rowLength: Int

  /// Columns stored below kx = 0.
  static let before = GriddingKernel.reach
  /// Columns stored above kx = size/2: those of the widest interpolation, and the two more that a
  /// load of eight elements touches.
  private static let after = GriddingKernel.width - GriddingKernel.reach + 2

  init(boxSize: Int) {
    self.boxSize = boxSize
    size = PaddedGrid.fastSize(atLeast: 2 * boxSize)
    rowLength = PaddedGrid.before + size / 2 + 1 + PaddedGrid.after
  }

  /// The complex values stored.
  var count: Int { size * size * rowLength }

  /// The element of (kz, ky, kx); kz and ky in 0..<size, kx from `-before`.
  func index(kz: Int, ky: Int, kx: Int = 0) -> Int {
    (kz * size + ky) * rowLength + PaddedGrid.before + kx
  }

  /// The columns that repeat others: kx below 0 and above size/2.
  var borderColumns: [Int] {
    Array(-PaddedGrid.before..<0) + Array(size / 2 + 1...size / 2 + PaddedGrid.after)
  }

  /// A frequency from -size to 2 size - 1 as one of 0..<size.
  func wrapped(_ k: Int) -> Int { k < 0 ? k + size : k >= size ? k - size : k }

  /// The map's section (row, column) at a padded grid point, if the map reaches there.
  func voxel(at point: Int) -> Int? {
    let signed = point < size / 2 ? point : point - size
    let voxel = signed + boxSize / 2
    return 0..<boxSize ~= voxel ? voxel : nil
  }

  private static func fastSize(atLeast size: Int) -> Int {
    var candidate = size + size % 2
    while true {
      var rest = candidate
      for prime in [2, 3, 5, 7, 11, 13] {
        while rest % prime == 0 { rest /= prime }
      }
      if rest == 1 { return candidate }
      candidate += 2
    }
  }
}
