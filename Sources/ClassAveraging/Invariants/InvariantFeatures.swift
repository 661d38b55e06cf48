import ImageModel
import MPI

/// A short real vector for each image that does not change when the image is rotated, and whose second
/// part changes sign when the image is reflected.
///
/// The bispectrum b = R + i I of a reflected image is conj(b). Where images and their reflections are
/// equally likely, R and I are uncorrelated, so that each has its own principal components; inner products
/// of images are then R_i . R_j + I_i . I_j, and R_i . R_j - I_i . I_j with one of them reflected.
public struct InvariantFeatures: Sendable {
  /// How the principal components are found and how many are kept.
  public struct Options: Sendable {
    /// Components kept of the real part R and of the imaginary part I.
    public var evenCount = 150
    /// Components kept of the imaginary part I.
    public var oddCount = 150
    /// The dimension of the random subspace; some tens above the counts.
    public var sketchSize = 200
    /// How often all bispectra are made, at least 2; more make the components more accurate.
    public var passCount = 3
    /// Whether the mean bispectrum is subtracted.
    public var isCentred = false
    /// Fixes the random subspace.
    public var seed: UInt64 = 2

    /// The defaults.
    public init() {}
  }

  /// The number of images of this rank's slice.
  public let count: Int
  /// The number of leading features that reflection leaves alone (from R).
  public let evenCount: Int
  /// The number of features after them whose sign reflection changes (from I).
  public let oddCount: Int
  /// Row-major, count x (evenCount + oddCount); rows have length 1, or 0 for an image that is zero.
  public var values: [Float]
  /// Descending, of all retained components of R and of I before the rows were normalised.
  public let evenSingularValues: [Double]
  /// The same of I.
  public let oddSingularValues: [Double]

  /// The length of a row of `values`.
  public var width: Int { evenCount + oddCount }

  /// Features that come from elsewhere; rows should have length 1.
  public init(count: Int, evenCount: Int, oddCount: Int, values: [Float]) {
    precondition(values.count == count * (evenCount + oddCount), "a row of features for each image")
    self.count = count
    self.evenCount = evenCount
    self.oddCount = oddCount
    self.values = values
    evenSingularValues = []
    oddSingularValues = []
  }

  /// Features of this rank's images from their bispectra. Collective.
  ///
  /// - Parameters:
  ///   - coefficients: of this rank's slice, in the bispectrum's layout, not yet normalised.
  ///   - bispectrum: the terms.
  ///   - options: how many components, and how they are found.
  ///   - communicator: the ranks that take part.
  ///   - progress: called now and then with the share of the work done, 0 to 1.
  /// - Throws: `ScaLAPACKError`, `MPIError`, and what `progress` throws.
  public init(
    of coefficients: SteerableCoefficients, bispectrum: Bispectrum, options: Options = Options(),
    over communicator: Communicator, progress: ((Double) throws -> Void)? = nil
  ) throws {
    let pca = RandomisedPCA(
      sketchSize: options.sketchSize, passCount: options.passCount,
      isCentred: options.isCentred, seed: options.seed)
    let matrix = BispectrumMatrix(
      bispectrum: bispectrum, prepared: bispectrum.prepared(coefficients))
    let (even, odd) = try pca.components(
      of: matrix, componentCounts: (options.evenCount, options.oddCount), over: communicator,
      progress: progress)
    count = coefficients.count
    evenCount = even.singularValues.count
    oddCount = odd.singularValues.count
    evenSingularValues = even.singularValues
    oddSingularValues = odd.singularValues
    values = Self.normalisedRows(even.scores, evenCount, odd.scores, oddCount, of: coefficients)
  }

  /// Rows of both parts side by side, scaled to length 1; rows of images that are zero are zero, not
  /// magnified rounding errors.
  private static func normalisedRows(
    _ even: [Float], _ evenCount: Int, _ odd: [Float], _ oddCount: Int,
    of coefficients: SteerableCoefficients
  ) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(coefficients.count * (evenCount + oddCount))
    for row in 0..<coefficients.count {
      let first = even[row * evenCount..<(row + 1) * evenCount]
      let second = odd[row * oddCount..<(row + 1) * oddCount]
      let add = { (sum: Double, value: Float) in sum + Double(value) * Double(value) }
      let norm = second.reduce(first.reduce(0, add), add).squareRoot()
      let isZero = (0..<coefficients.layout.componentCount).allSatisfy {
        coefficients.value(image: row, component: $0) == (0, 0)
      }
      let scale = isZero || norm == 0 ? 0 : 1 / norm
      for value in first { values.append(Float(Double(value) * scale)) }
      for value in second { values.append(Float(Double(value) * scale)) }
    }
    return values
  }
}

/// Real and imaginary parts of the bispectra of a slice of images.
private struct BispectrumMatrix: PairedMatrix {
  let bispectrum: Bispectrum
  let prepared: SteerableCoefficients

  var count: Int { prepared.count }
  var columnCount: Int { bispectrum.terms.count }

  func fill(
    groups: Range<Int>, columns: Range<Int>, first: UnsafeMutablePointer<SIMD16<Float>>,
    second: UnsafeMutablePointer<SIMD16<Float>>, stride: Int
  ) {
    bispectrum.evaluate(
      prepared, groups: groups, terms: columns, real: first, imaginary: second, stride: stride)
  }
}
