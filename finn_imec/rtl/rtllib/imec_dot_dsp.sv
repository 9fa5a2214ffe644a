/****************************************************************************
 * @brief	Dot products of PE channels in DSP slices, several channels per slice.
 *
 * @description
 *	y[p] = sum_lanes a*w[p]  +  CHAINS*BIAS
 *
 *	A slice multiplies the activation of one lane by the weights of FIELDS channels,
 *	SPACING bits apart: their codes minus their signs, which the pre-adder subtracts.
 *	Slices cascade into CHAINS chains, each over every CHAINS-th lane. The sums of a
 *	chain are packed side by side:
 *
 *	             SPACING   SPACING   SPACING
 *	            +---------+---------+---------+
 *	  weights   |      w2 |      w1 |      w0 |   code - 2^W_BITS*sign each
 *	            +---------+---------+---------+
 *	  chain     | a*w2+B  | a*w1+B  | a*w0+B  |   B = BIAS, the start value of the chain
 *	            +---------+---------+---------+
 *	                       <-FIELD_BITS
 *
 *	BIAS keeps each sum within 0 to 2^FIELD_BITS - 1, so that none borrows from the
 *	next and all are read in place. finn_imec/layer/packing.py chooses BIAS and CHAINS
 *	from the range of a chain's dot products.
 *
 *	CENTRED multiplies unsigned activations minus 2^(A_BITS-1), which halves the range
 *	of the sums; the rest, 2^(A_BITS-1)*sum w[p], is constant for a whole window.
 *
 *	A sum moves one slice per step, so the factors of a slice must arrive
 *	imec_pkg::place steps late, more the further down the chain it is. The slice itself
 *	adds the odd step, shift registers all other steps of the activations; weights must
 *	arrive imec_pkg::weight_delay steps late.
 *
 *	y belongs to inputs from imec_pkg::dsp_steps cycles with en high before.
 ***************************************************************************/
module imec_dot_dsp import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,

	int unsigned  FIELDS,
	int unsigned  SPACING,
	int unsigned  FIELD_BITS,
	int unsigned  CHAINS,
	logic [47:0]  BIAS,
	bit  CENTRED = 0,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = FIELD_BITS + $clog2(CHAINS)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0][W_BITS-1:0]  w,
	output	logic [PE-1:0][Y_BITS-1:0]  y
);
	if(A_BITS + 32'(!A_SIGNED) > 18)  $error("A_BITS=%0d exceeds the multiplier's 18 bits.", A_BITS);
	if((FIELDS-1)*SPACING + W_BITS + 32'(!W_SIGNED) > 25) begin : genWide
		$error("FIELDS=%0d of SPACING=%0d exceed the multiplier's 25 bits.", FIELDS, SPACING);
	end : genWide
	if(CHAINS < 1 || CHAINS > SIMD)  $error("CHAINS=%0d must be 1 to SIMD=%0d.", CHAINS, SIMD);
	if(FIELD_BITS > SPACING)  $error("FIELD_BITS=%0d exceeds SPACING=%0d.", FIELD_BITS, SPACING);

	function automatic logic [47:0] biases();
		automatic logic [47:0]  c = '0;
		for(int unsigned  f = 0; f < FIELDS; f++)  c |= BIAS << f*SPACING;
		return  c;
	endfunction : biases

	localparam int unsigned  COLUMNS = (PE + FIELDS-1) / FIELDS;
	uwire [SIMD+CHAINS-1:0][COLUMNS-1:0][47:0]  cascade;	// from slice to slice
	assign	cascade[SIMD +: CHAINS] = '0;
	uwire [PE-1:0][CHAINS-1:0][FIELD_BITS-1:0]  sums;
	for(genvar  l = 0; l < SIMD; l++) begin : genLane
		localparam int unsigned  PLACE = place(SIMD, CHAINS, l);
		uwire [A_BITS-1:0]  centred = a[l] ^ (A_BITS'(CENTRED) << (A_BITS-1));
		uwire [A_BITS-1:0]  al;
		imec_delay #(.WIDTH(A_BITS), .STEPS(weight_delay(SIMD, CHAINS, l))) skew(.clk, .en, .d(centred), .q(al));

		for(genvar  c = 0; c < COLUMNS; c++) begin : genColumn
			localparam int unsigned  USED = c < COLUMNS-1? FIELDS : PE - c*FIELDS;
			logic [24:0]  codes, signs;
			always_comb begin
				codes = '0;
				signs = '0;
				for(int unsigned  f = 0; f < USED; f++) begin
					automatic logic [W_BITS-1:0]  wl = w[c*FIELDS + f][l];
					codes |= 25'(wl) << f*SPACING;
					signs |= 25'(W_SIGNED && wl[W_BITS-1]) << (f*SPACING + W_BITS);	// a sign at bit 25 is dropped
				end
			end

			uwire [47:0]  p;
			imec_dsp48 #(.HEAD(l + CHAINS >= SIMD), .LATE(1'(PLACE % 2)), .C(biases()), .PRIMITIVES(PRIMITIVES)) slice(
				.clk, .en,
				.d(codes), .a(signs), .b({ {(18-A_BITS){(A_SIGNED || CENTRED) && al[A_BITS-1]}}, al }),
				.pcin(cascade[l + CHAINS][c]), .p, .pcout(cascade[l][c])
			);
			if(l < CHAINS) begin : genTail
				for(genvar  f = 0; f < USED; f++) begin : genField
					assign	sums[c*FIELDS + f][l] = p[f*SPACING +: FIELD_BITS];
				end : genField
			end : genTail
		end : genColumn
	end : genLane

	for(genvar  p = 0; p < PE; p++) begin : genChannel
		imec_sum #(.N(CHAINS), .BITS(FIELD_BITS)) sum(.clk, .en, .d(sums[p]), .y(y[p]));
	end : genChannel

endmodule : imec_dot_dsp
