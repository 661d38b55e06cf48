import Foundation
import LinearAlgebra
import MPI

/// Images like those of a run whose truth is known: projections of a random volume whose projections have the
/// covariance of the run's clean images, with the run's CTFs and noise, in principal coordinates.
///
/// What the covariance leaves open are rotations among the harmonics of one degree (Kam 1980): they are drawn
/// at random. The mean image needs no simulation: principal coordinates are what remains without it.
struct SimulatedImages {
  /// Clean images in principal coordinates, this rank's slice.
  let clean: SteerableCoefficients
  /// Their sufficient statistics b = F x + F^{1/2} n (method E.4).
  let statistics: SteerableCoefficients
  /// What the volume does not reproduce of the covariance.
  let residual: Double

  /// - Parameters:
  ///   - groups: the defocus group of every image.
  ///   - own: this rank's slice of the images.
  /// - Throws: `LAPACKError`; `MPIError`.
  init(
    like posterior: PosteriorModel, basis: FourierBesselBasis, groups: [Int32], own: Range<Int>,
    seed: UInt64, threads: Int, on comm: Communicator, observer: any StageObserver
  ) throws {
    let radial = try RadialCoordinates(posterior, basis: basis)
    let correlation = try ShellCorrelation(of: radial.covariances)
    residual = correlation.residual
    // Equal on all ranks, even where their processors round differently.
    let volume = try SimulatedVolume(
      coefficients: comm.broadcast(
        SimulatedVolume.coefficients(drawnFrom: correlation, seed: seed)),
      degree: correlation.degrees.count - 1, rank: radial.rank)
    let layout = posterior.layout
    let width = layout.componentCount * 2
    let information = posterior.information
    let roots = try information.map {
      try $0.map { try SymmetricEigen($0).applying { max(0, $0).squareRoot() } }
    }
    var clean = [Float](repeating: 0, count: own.count * width)
    var statistics = clean
    clean.withUnsafeMutableBufferPointer { clean in
      statistics.withUnsafeMutableBufferPointer { statistics in
        nonisolated(unsafe) let (clean, statistics) = (clean, statistics)
        parallelFor(own.count, threads: threads, state: { Box(SliceValues(volume)) }) { slice, at in
          let image = own.lowerBound + at
          slice.value.fill(volume, orientation: RandomOrientation(image: image, seed: seed))
          let x = clean.baseAddress! + at * width
          let b = statistics.baseAddress! + at * width
          radial.project(slice.value, into: x)
          let group = Int(groups[image])
          let noise = NormalNumbers(seed: seed, image: image, count: layout.componentCount)
          for (block, k) in layout.frequencies.enumerated() {
            let components = layout.components(ofBlock: block)
            let (f, root) = (information[group][block], roots[group][block])
            for (i, row) in components.enumerated() {
              var (real, imaginary) = (0.0, 0.0)
              for (j, column) in components.enumerated() {
                let n = noise.pair(column)
                real += f[i, j] * Double(x[2 * column]) + root[i, j] * n.0
                imaginary += f[i, j] * Double(x[2 * column + 1]) + root[i, j] * n.1
              }
              b[2 * row] = Float(real)
              b[2 * row + 1] = k == 0 ? 0 : Float(imaginary)
            }
          }
        }
      }
    }
    self.clean = SteerableCoefficients(layout: layout, rows: clean)
    self.statistics = SteerableCoefficients(layout: layout, rows: statistics)
  }
}

/// Radial functions common to all angular frequencies, in which the covariances of a model's blocks are small
/// matrices.
struct RadialCoordinates {
  /// d.
  let rank: Int
  /// C_k for k = 0 to the highest frequency of the model, d x d.
  let covariances: [Matrix]
  private let layout: AngularLayout
  /// From radial to principal coordinates of each block, r_k x d.
  private let inverses: [Matrix]

  /// The radial functions are the leading principal components, over all blocks, of the Fourier transforms
  /// of the clean images on circles; what they leave out is below this share.
  private static let precision = 1e-6

  /// - Throws: `LAPACKError`.
  init(_ posterior: PosteriorModel, basis: FourierBesselBasis) throws {
    let layout = posterior.layout
    self.layout = layout
    // Circles at the middles of equal parts of the band, enough for products of the radial functions.
    let circles = 4 * (basis.layout.components(ofBlock: 0).count + 1)
    let width = basis.bandLimit / Double(circles)
    let frequencies = (0..<circles).map { (Double($0) + 0.5) * width }
    let values = layout.frequencies.enumerated().map { block, k -> Matrix in
      let p = basis.layout.components(ofBlock: k).count
      let radial = frequencies.flatMap { xi in
        let weight = (2 * .pi * xi * width).squareRoot()
        return basis.fourierRadial(block: k, at: xi).map { weight * $0 }
      }
      return Matrix(rows: circles, columns: p, storage: radial) * posterior.synthesis[block]
    }
    var total = Matrix(rows: circles, columns: circles)
    for (block, k) in layout.frequencies.enumerated() {
      total +=
        Double(ImageModel.multiplicity(ofBlock: k)) * (values[block] * values[block].transposed)
    }
    let eigen = try SymmetricEigen(total.symmetrized)
    let sum = eigen.values.reduce(0) { $0 + max(0, $1) }
    var kept = 0
    var left = sum
    while kept < circles && left > Self.precision * sum {
      left -= max(0, eigen.values[kept])
      kept += 1
    }
    let axes = eigen.vectors.leadingColumns(kept).transposed
    rank = kept
    // Nothing less makes projections differ.
    let highest = max(2, layout.frequencies.last ?? 0)
    var covariances = [Matrix](repeating: Matrix(rows: kept, columns: kept), count: highest + 1)
    var inverses: [Matrix] = []
    for (block, k) in layout.frequencies.enumerated() {
      let coordinates = axes * values[block]
      covariances[k] = (coordinates * coordinates.transposed).symmetrized
      let gram = (coordinates.transposed * coordinates).symmetrized
      // Components that the axes leave out become zero, not large.
      let ridge = Self.precision * sum * Matrix.identity(gram.rows)
      inverses.append(try Cholesky(gram + ridge).solve(coordinates.transposed))
    }
    self.covariances = covariances
    self.inverses = inverses
  }

  /// The principal coordinates of a slice, component-major, (re, im).
  func project(_ slice: SliceValues, into x: UnsafeMutablePointer<Float>) {
    for (block, k) in layout.frequencies.enumerated() {
      let a = slice.frequency(k)
      let inverse = inverses[block]
      for (i, component) in layout.components(ofBlock: block).enumerated() {
        var (real, imaginary) = (0.0, 0.0)
        for j in 0..<rank {
          real += inverse[i, j] * a[j].0
          imaginary += inverse[i, j] * a[j].1
        }
        x[2 * component] = Float(real)
        x[2 * component + 1] = k == 0 ? 0 : Float(imaginary)
      }
    }
  }
}
