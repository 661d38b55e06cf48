import LinearAlgebra

/// A^T W^2 A of every defocus group in the Fourier-Bessel basis, block by block (method E.3's B_g): what the
/// squared CTF, whitened by the noise's spectrum, does to an image's coefficients.
///
/// The squared CTF is summed over the very points of the image's Fourier grid, so that fast CTF
/// oscillations count as they do in the images.
public struct ImageModel: Sendable {
  /// The basis that the matrices are in.
  public let basis: FourierBesselBasis
  /// `squared[g][k]` is B_g of block k, p_k x p_k.
  public let squared: [[Matrix]]
  /// Images in each group.
  public let groupCounts: [Int]

  /// Sums the squared CTF of every group over the points of the image's Fourier grid.
  ///
  /// CTFs are whitened by `noise`; nil for white noise of variance 1.
  public init(basis: FourierBesselBasis, groups: DefocusGroups, noise: NoiseModel? = nil) {
    self.basis = basis
    groupCounts = groups.counts
    let shells = basis.gridShells()
    let radii = shells.map(\.radius)
    let area = Double(basis.size * basis.size)
    let weights = (0..<groups.count).map { group in
      let spectrum = noise?.spectrum(ofOptics: Int(groups.opticsGroups[group]))
      let power = spectrum.map { spectrum in
        { (i: Int, square: Double) in
          spectrum.power(at: radii[i] * Double(basis.size), squaredCTF: square)
        }
      }
      return zip(groups.squaredCTF(group: group, at: radii, noise: power), shells)
        .map { $0 * Double($1.points) / area }
    }
    var squared = [[Matrix]](repeating: [], count: groups.count)
    for k in basis.layout.frequencies {
      let p = basis.layout.components(ofBlock: k).count
      let radial = Matrix(
        rows: radii.count, columns: p,
        storage: radii.flatMap { basis.fourierRadial(block: k, at: $0) })
      let transposed = radial.transposed
      for group in 0..<groups.count {
        var weighted = radial
        for i in radii.indices { for q in 0..<p { weighted[i, q] *= weights[group][i] } }
        squared[group].append((transposed * weighted).symmetrized)
      }
    }
    self.squared = squared
  }

  /// A model given by its blocks, `squared[g][k]`.
  package init(basis: FourierBesselBasis, squared: [[Matrix]], groupCounts: [Int]) {
    self.basis = basis
    self.squared = squared
    self.groupCounts = groupCounts
  }

  /// All images.
  public var imageCount: Int { groupCounts.reduce(0, +) }

  /// Real samples that an image gives for a block: 1 for k = 0, else 2 (method's m_k).
  public static func multiplicity(ofBlock k: Int) -> Int { k == 0 ? 1 : 2 }
}
